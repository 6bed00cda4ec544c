"""The kind of task that writes every user's recommendations to a file, and where the file is."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Connection

from app.config import Settings
from app.repository import tasks
from app.storage import Database
from app.storage.store import store_of
from app.task import ACTIVE, COMPLETE, Task
from app.tasks.kinds import OUTSIDE, Kind, ResultFile, later

DUMP_RECOMMENDATIONS = "dump_recommendations"
MEDIA_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class DumpParams:
    """`format`: one of `MEDIA_TYPES`; `limit`: movies a user at most."""

    format: str = "jsonl"
    limit: int = 10


def folder_of(task_id: str) -> str:
    """Under which the store has what the task has made."""
    return f"dumps/{task_id}/"


def key_of(task: Task) -> str | None:
    """The file of a complete task. None if it has none."""
    name = (task.checkpoint or {}).get("file")
    return f"{folder_of(task.id)}{Path(name).name}" if name and task.status == COMPLETE else None


def _file(settings: Settings, task: Task) -> ResultFile | None:
    key, wanted = key_of(task), DUMP.params_of(task).format
    if key is None or store_of(settings).size(key) is None:
        return None
    return ResultFile(key, f"recommendations-{task.id}.{wanted}", MEDIA_TYPES[wanted])


def _join(connection: Connection, params: DumpParams) -> Task | None:
    """A dump of the same that waits."""
    tasks.hold(connection)
    waiting = tasks.waiting(connection, DUMP_RECOMMENDATIONS)
    return waiting if waiting is not None and DUMP.params_of(waiting) == params else None


def _clean(database: Database, settings: Settings, _now: float) -> None:
    """A file is kept as long as its task; what was not completed is done again from the start."""

    def kept() -> set[str]:
        with database.read() as connection:
            return tasks.ids(connection, (*ACTIVE, COMPLETE))

    store_of(settings).sweep("dumps/", kept)


DUMP: Kind[DumpParams] = Kind(
    DUMP_RECOMMENDATIONS,
    DumpParams,
    later("app.dumps.dump_recommendations", "run"),
    OUTSIDE,
    join=_join,
    file=_file,
    lost="It was deleted, as when a person who was in it was forgotten. POST /recommendations/dump again.",
    clean=_clean,
)

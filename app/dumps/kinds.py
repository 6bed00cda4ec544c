"""The kind of task that writes every user's recommendations to a file, and where the file is."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Connection

from app.config import Settings
from app.repository import tasks
from app.storage import Database
from app.task import ACTIVE, COMPLETE, Task
from app.tasks.kinds import OUTSIDE, Kind, ResultFile, later
from app.tasks.retention import entries, remove

DUMP_RECOMMENDATIONS = "dump_recommendations"
MEDIA_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class DumpParams:
    """`format`: one of `MEDIA_TYPES`; `limit`: movies a user at most."""

    format: str = "jsonl"
    limit: int = 10


def folder_of(settings: Settings, task_id: str) -> Path:
    """Where the task keeps its file."""
    return settings.data_dir / "dumps" / task_id


def path_of(settings: Settings, task: Task) -> Path | None:
    """The file as far as it is written; None if nothing is. Each attempt has one of its own."""
    name = (task.checkpoint or {}).get("file")
    return folder_of(settings, task.id) / Path(name).name if name else None


def _file(settings: Settings, task: Task) -> ResultFile | None:
    path, wanted = path_of(settings, task), DUMP.params_of(task).format
    if path is None or not path.is_file():
        return None
    return ResultFile(path, f"recommendations-{task.id}.{wanted}", MEDIA_TYPES[wanted])


def _join(connection: Connection, params: DumpParams) -> Task | None:
    """A dump of the same that waits."""
    tasks.hold(connection)
    waiting = tasks.waiting(connection, DUMP_RECOMMENDATIONS)
    return waiting if waiting is not None and DUMP.params_of(waiting) == params else None


def _clean(database: Database, settings: Settings, _now: float) -> None:
    """A file is kept as long as its task; what was not completed is done again from the start."""
    with database.read() as connection:
        kept = tasks.ids(connection, (*ACTIVE, COMPLETE))
    remove(entries(settings.data_dir / "dumps"), keep=kept)


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

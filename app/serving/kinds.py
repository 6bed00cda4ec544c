"""The kinds of tasks that make a model: a rebuild, on request or by schedule, and an import of factors."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Conflict
from app.repository import models, ratings, tasks
from app.storage import Database
from app.storage.store import store_of
from app.task import COMPLETE, QUEUED, Task
from app.tasks.kinds import MODEL, Kind, later
from app.tasks.retention import DAY, entries, remove
from app.tasks.schedule import is_within

REBUILD_MODEL = "rebuild_model"
IMPORT_MODEL = "import_model"

PATIENCE = 600.0
"""Seconds after a rebuild that failed or was cancelled before one is scheduled again."""


@dataclass(frozen=True, slots=True)
class RebuildParams:
    """`scheduled`: by the settings, not by a request."""

    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class ImportModelParams:
    """`file`: the name of the file that the factors came in."""

    file: str = ""


def factors_key(task_id: str) -> str:
    """Where the store keeps the factors that a task takes in."""
    return f"work/{task_id}/factors.npz"


def _lacks_factors(settings: Settings, task: Task) -> str | None:
    if store_of(settings).size(factors_key(task.id)) is not None:
        return None
    return (
        "The factors of this import are no longer kept. Import their file again: matinee models import FILE."
    )


def _join(connection: Connection, _params: RebuildParams) -> Task | None:
    """A rebuild that waits."""
    tasks.hold(connection)
    return tasks.waiting(connection, REBUILD_MODEL)


def _check(connection: Connection, _task: Task) -> None:
    if other := tasks.waiting(connection, REBUILD_MODEL):
        raise Conflict(f"Rebuild {other.id} is {QUEUED} already. It does the same.")


def _due(database: Database, settings: Settings, now: float) -> RebuildParams | None:
    """A rebuild is due some time after the last one, or after enough changed ratings."""
    every, after = settings.rebuild_every * 3600, settings.rebuild_after
    if not every and not after:
        return None
    with database.read() as connection:
        changes = ratings.changes(connection)
        newest = models.newest(connection)
        last = next(iter(tasks.listing(connection, limit=1, kind=REBUILD_MODEL)), None)
    if last and last.status != COMPLETE and (not last.ended or is_within(PATIENCE, last.created_at, now)):
        return None
    changes -= newest.rating_changes if newest else 0
    waited = bool(every) and not is_within(every, newest.created_at if newest else 0.0, now)
    is_due = changes > 0 and (waited or 0 < after <= changes)
    return RebuildParams(scheduled=True) if is_due else None


def _clean(database: Database, settings: Settings, now: float) -> None:
    from app.serving.model_store import ModelStore  # who only queues tasks loads no recommender

    with database.write() as connection:
        checksums = models.forget(connection, keep=max(1, settings.keep_models))
        active = models.active(connection)
    store = ModelStore.of(settings)
    # One that was saved lately may still be to publish: its version is added after that.
    store.sweep(checksums, now - DAY)
    remove(entries(settings.models_dir), keep={f"{checksum}.npz" for checksum in checksums}, newest=now - DAY)
    if active is not None:
        store.keep(active.checksum)


REBUILD = Kind(
    REBUILD_MODEL,
    RebuildParams,
    later("app.serving.rebuild_model", "run"),
    MODEL,
    join=_join,
    check=_check,
    due=_due,
    clean=_clean,
)

IMPORTED_MODEL: Kind[ImportModelParams] = Kind(
    IMPORT_MODEL,
    ImportModelParams,
    later("app.serving.import_model", "run"),
    MODEL,
    missing=_lacks_factors,
)

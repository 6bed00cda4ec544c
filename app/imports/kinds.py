"""The two kinds of tasks that write imports, and when one may go on from where it was left.

What an import or undo comes to has to be exact: its rows, its figures, and what an undo restores. One that
has written nothing starts over. One that has goes on from its checkpoint, if what that builds on is still
true; else it is refused with the reason.
"""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Conflict
from app.repository import import_order
from app.repository.import_order import IMPORT_RATINGS, UNDO_IMPORT
from app.storage import Database
from app.task import CANCELLED, COMPLETE, Task
from app.tasks.kinds import RATINGS, Kind, later


@dataclass(frozen=True, slots=True)
class ImportParams:
    """`file`: the upload, relative to the data directory, sent as `filename`; None: the bundled sample."""

    file: str | None = None
    filename: str = ""
    size: int = 0
    sha256: str = ""
    user_id: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class UndoParams:
    """`undo_of`: the id of the import that is undone."""

    undo_of: str


def has_begun(task: Task) -> bool:
    """Whether an import or undo has changed anything, as far as it came."""
    figures = (task.checkpoint or {}).get("figures", {})
    changed = ("new", "replaced", "deleted", "restored", "kept")
    return not task.params.get("dry_run") and any(figures.get(name) for name in changed)


def written(task: Task) -> int:
    """How many rows an import has written so far."""
    figures = (task.checkpoint or {}).get("figures", {}) if has_begun(task) else {}
    return int(figures.get("new", 0) + figures.get("replaced", 0))


def _filename(task: Task) -> str | None:
    """The name of the file as it was sent; `sample` for the bundled one."""
    params: ImportParams = IMPORT.params_of(task)
    return params.filename or (None if params.file else "sample")


def _left_behind(task: Task) -> str | None:
    if task.status != CANCELLED:
        return None
    if not written(task):
        return "Cancelled before anything was written."
    undo = f"POST /imports/{task.id}/undo takes them back."
    return f"Cancelled after {written(task):,} rows were written. {undo}"


def check_import(connection: Connection, task: Task) -> None:
    """Raises `Conflict` with the reason if the database has changed so that the import cannot go on."""
    for other in import_order.undos_of(connection, task.id):
        if other.status == COMPLETE:
            raise Conflict(f"Import {task.id} was undone. Send the file again.")
        if other.ended and has_begun(other):
            raise Conflict(
                f"Import {task.id} was undone in part. Undo it again to the end, then send the file again."
            )
    for other in import_order.active(connection):
        if other.id != task.id and (other.kind == UNDO_IMPORT or has_begun(other)):
            what = "Undo" if other.kind == UNDO_IMPORT else "Import"
            raise Conflict(f"{what} {other.id} is {other.status}. Try again once it has ended.")
    if has_begun(task) and (newer := import_order.newest_after(connection, task)):
        raise Conflict(
            f"Import {newer.id} has written since. Send the file again, or undo that import first."
        )


def _retry_import(connection: Connection, task: Task) -> None:
    import_order.hold(connection)
    check_import(connection, task)


def _retry_undo(connection: Connection, task: Task) -> None:
    from app.imports import undo

    import_order.hold(connection)
    undo.check(connection, UNDO.params_of(task).undo_of, undo=task)


def _join_undo(connection: Connection, params: UndoParams) -> Task | None:
    from app.imports import undo

    return undo.join(connection, params.undo_of)


def missing_of_import(settings: Settings, task: Task) -> str | None:
    """What an import lacks on disk to go on, and what to do."""
    from app.imports.checkpoint import missing, missing_upload

    lacking = missing(settings, task) if has_begun(task) else missing_upload(settings, IMPORT.params_of(task))
    return lacking and f"{lacking} Send the file again."


def missing_of_undo(settings: Settings, task: Task) -> str | None:
    """What an undo lacks on disk to go on, and what to do."""
    from app.imports.checkpoint import missing

    lacking = missing(settings, task) if has_begun(task) else None
    return lacking and f"{lacking} Undo import {UNDO.params_of(task).undo_of} again."


def _tidy(database: Database) -> None:
    """Makes the pending counts of movies right: an import that was cancelled or killed has left some."""
    from app.imports.counts import settle

    settle(database, database.write)


IMPORT = Kind(
    IMPORT_RATINGS,
    ImportParams,
    later("app.imports.import_ratings", "run"),
    RATINGS,
    check=_retry_import,
    missing=missing_of_import,
    has_begun=has_begun,
    filename=_filename,
    written=written,
    left_behind=_left_behind,
    tidy=_tidy,
    needed=import_order.to_be_undone,
    release=later("app.imports.retention", "release"),
    clean=later("app.imports.retention", "clean"),
)

UNDO = Kind(
    UNDO_IMPORT,
    UndoParams,
    later("app.imports.undo_import", "run"),
    RATINGS,
    join=_join_undo,
    check=_retry_undo,
    missing=missing_of_undo,
    has_begun=has_begun,
)

"""The two kinds of tasks that write imports, and when one may go on from where it was left.

What an import or undo comes to has to be exact: its rows, its figures, and what an undo restores. One that
has written nothing starts over. One that has goes on from its checkpoint, if what that builds on is still
true; else it is refused with the reason.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Conflict
from app.repository import import_order
from app.repository.import_order import IMPORT_RATINGS, MERGE_MOVIES, MERGE_USERS, UNDO_IMPORT
from app.task import CANCELLED, COMPLETE, Task
from app.tasks.kinds import RATINGS, Kind, Shown, later

MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ImportParams:
    """`file`: the key of the upload in the store, sent as `filename`; None: the bundled sample.

    `columns` to `dates` are what the caller says of the file, see `app.imports.readers.reader.Options`.
    `personal`: whether it is one person's; None of an older release.
    `create`: `MISSING` makes the movies of rows that have none, where no movie that is there may be meant.
    """

    file: str | None = None
    filename: str = ""
    size: int = 0
    sha256: str = ""
    user_id: int | None = None
    dry_run: bool = False
    columns: str = ""
    scale: str = ""
    charset: str = ""
    dates: str = ""
    create: str = ""
    personal: bool | None = None


@dataclass(frozen=True, slots=True)
class UndoParams:
    """`undo_of`: the id of the import that is undone."""

    undo_of: str


def has_begun(task: Task) -> bool:
    """Whether an import or undo has changed anything, as far as it came."""
    figures = (task.checkpoint or {}).get("figures", {})
    changed = ("new", "replaced", "deleted", "restored", "kept", "movies", "personal")
    return not task.params.get("dry_run") and any(figures.get(name) for name in changed)


def noun(task: Task) -> str:
    """What a task is that writes ratings, as a sentence begins with it."""
    return {UNDO_IMPORT: "Undo", MERGE_USERS: "Merge", MERGE_MOVIES: "Merge"}.get(task.kind, "Import")


def _shown(task: Task) -> Shown:
    params = IMPORT.params_of(task)
    figures = (task.checkpoint or {})["figures"] if has_begun(task) else {}
    rows = int(sum(figures.get(name, 0) for name in ("new", "replaced", "personal")))
    left = "Cancelled before anything was written."
    if rows:
        left = f"Cancelled after {rows:,} rows were written. POST /imports/{task.id}/undo takes them back."
    return Shown(rows, left if task.status == CANCELLED else None, _shown_file(params))


def _shown_file(params: ImportParams) -> dict[str, Any]:
    """`sample` is the name of the bundled file; null is that of one that was sent without."""
    if params.file is None:
        return {"filename": params.filename or "sample", "size": None, "sha256": None}
    return {"filename": params.filename or None}


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
            raise Conflict(f"{noun(other)} {other.id} is {other.status}. Try again once it has ended.")
    if has_begun(task) and (newer := import_order.newest_after(connection, task)):
        raise Conflict(
            f"{noun(newer)} {newer.id} has written since. Send the file again, or undo that one first."
        )


def missing_files(settings: Settings, task: Task) -> str | None:
    """What an import or undo lacks on disk to go on, and what to do."""
    from app.imports.checkpoint import missing, missing_upload

    is_undo, lacking = task.kind == UNDO_IMPORT, None
    if has_begun(task):
        lacking = missing(settings, task)
    elif not is_undo:
        lacking = missing_upload(settings, task)
    advice = f"Undo import {UNDO.params_of(task).undo_of} again." if is_undo else "Send the file again."
    return lacking and f"{lacking} {advice}"


_settle = later("app.imports.counts", "settle")

IMPORT: Kind[ImportParams] = Kind(
    IMPORT_RATINGS,
    ImportParams,
    later("app.imports.import_ratings", "run"),
    RATINGS,
    check=check_import,
    missing=missing_files,
    figures=("new", "replaced", "unchanged", "older", "duplicate", "waiting", "marks", "rejected"),
    aliases={"file": None, "personal": None},
    has_begun=has_begun,
    shown=_shown,
    tidy=lambda database: _settle(database, database.write),
    needed=import_order.to_be_undone,
    release=later("app.imports.retention", "release"),
    clean=later("app.imports.retention", "clean"),
)

_join, _check = later("app.imports.undo", "join"), later("app.imports.undo", "check")
UNDO: Kind[UndoParams] = Kind(
    UNDO_IMPORT,
    UndoParams,
    later("app.imports.undo_import", "run"),
    RATINGS,
    join=lambda connection, params: _join(connection, params.undo_of),
    check=lambda connection, task: _check(connection, UNDO.params_of(task).undo_of, undo=task),
    missing=missing_files,
    has_begun=has_begun,
)

"""Whether a task may go on from where it was left, and trying one again that failed or was cancelled.

What an import or undo comes to has to be exact: its rows, its figures, and what an undo brings back. One
that has written nothing starts over. One that has goes on from its checkpoint, if what that builds on is
still true; else it is refused with the reason.
"""

import time

from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Conflict, NotFound
from app.imports import undo
from app.imports.checkpoint import missing, missing_upload
from app.repository import import_order, tasks
from app.task import (
    CANCELLED,
    COMPLETE,
    FAILED,
    IMPORT_RATINGS,
    QUEUED,
    REBUILD_MODEL,
    UNDO_IMPORT,
    Task,
)


def retry(connection: Connection, task_id: str, lacking: str | None) -> Task:
    """Queue a task again, in a transaction that writes; `lacking`: what `missing_of` has found before it.

    Raises `NotFound`, or `Conflict` with the reason why the task cannot go on.
    """
    import_order.hold(connection)
    task = tasks.get(connection, task_id)
    if task is None:
        raise NotFound(f"There is no task {task_id[:100]!r}. GET /tasks lists them.")
    if task.status in (FAILED, CANCELLED):
        check(connection, task)
        if lacking:
            raise Conflict(lacking)
    return tasks.retry(connection, task, now=time.time(), from_start=not task.begun)


def missing_of(settings: Settings, task: Task) -> str | None:
    """What `missing_files` finds of a task that can be tried again: files are read before the transaction."""
    return missing_files(settings, task) if task.status in (FAILED, CANCELLED) else None


def check(connection: Connection, task: Task) -> None:
    """Raises `Conflict` with the reason if the database has changed so that the task cannot go on."""
    if task.kind == IMPORT_RATINGS:
        _check_import(connection, task)
    elif task.kind == UNDO_IMPORT:
        undo.check(connection, task.params["undo_of"], undo=task)
    elif task.kind == REBUILD_MODEL and (other := tasks.waiting(connection, task.kind)):
        raise Conflict(f"Rebuild {other.id} is {QUEUED} already. It does the same.")


def _check_import(connection: Connection, task: Task) -> None:
    for other in import_order.undos_of(connection, task.id):
        if other.status == COMPLETE:
            raise Conflict(f"Import {task.id} was undone. Send the file again.")
        if other.ended and other.begun:
            raise Conflict(
                f"Import {task.id} was undone in part. Undo it again to the end, then send the file again."
            )
    for other in import_order.active(connection):
        if other.id != task.id and (other.kind == UNDO_IMPORT or other.begun):
            what = "Undo" if other.kind == UNDO_IMPORT else "Import"
            raise Conflict(f"{what} {other.id} is {other.status}. Try again once it has ended.")
    if task.begun and (newer := import_order.newest_after(connection, task)):
        raise Conflict(
            f"Import {newer.id} has written since. Send the file again, or undo that import first."
        )


def missing_files(settings: Settings, task: Task) -> str | None:
    """What the task lacks on disk to go on, and what to do; None if it lacks nothing."""
    if task.kind == IMPORT_RATINGS:
        lacking = missing(settings, task) if task.begun else missing_upload(settings, task.params)
        return lacking and f"{lacking} Send the file again."
    if task.kind == UNDO_IMPORT and task.begun and (lacking := missing(settings, task)):
        return f"{lacking} Undo import {task.params['undo_of']} again."
    return None

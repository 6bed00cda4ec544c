"""What imports keep, and when it goes: what their undo needs, uploads, and files of rejects."""

from collections.abc import Callable
from functools import partial

from app.config import Settings
from app.repository import import_order, imports, tasks
from app.storage import Database
from app.storage.store import store_of
from app.task import ACTIVE, RETRIABLE
from app.tasks.retention import AT_ONCE, DAY, entries, remove

ROWS = 5_000
"""Rows of one transaction, of what is kept for the undo of an import: some ten milliseconds."""


def release(database: Database, before: float, is_late: Callable[[], bool]) -> bool:
    """The oldest imports lose their undo, then what is kept for it, in as many transactions as that takes."""
    with database.write() as connection:
        seqs = import_order.expire(connection, before=before, limit=AT_ONCE)
    for seq in seqs:
        done = False
        while not done:
            with database.write() as connection:
                done = imports.forget(connection, seq, ROWS)
            if not done and is_late():
                return False
    return True


def clean(database: Database, settings: Settings, now: float) -> None:
    """Delete uploads that no task can need again, what attempts left, and the rejects of tasks gone."""
    with database.read() as connection:
        retriable = tasks.ids(connection, RETRIABLE, since=now - DAY)
        active = tasks.ids(connection, ACTIVE)
    for task_id in retriable:
        remove((settings.data_dir / "work" / task_id).glob("parse-*"), keep=set())
    remove(entries(settings.uploads_dir), keep=active | retriable, newest=now - DAY)  # also unfinished ones
    store = store_of(settings)
    store.sweep("uploads/", active | retriable, now - DAY)
    store.sweep("work/", active | retriable, now - DAY)
    store.sweep("imports/", partial(_all, database))


def _all(database: Database) -> set[str]:
    with database.read() as connection:
        return tasks.ids(connection)

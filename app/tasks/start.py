"""Starting a task: never two in the queue that do the same, and never more than it holds."""

import time
from typing import Any

from sqlalchemy.engine import Connection

from app.errors import Unavailable
from app.imports import undo
from app.repository import tasks
from app.storage import Database
from app.storage.database import serialize
from app.task import QUEUED, REBUILD_MODEL, UNDO_IMPORT, Task

MAX_QUEUE = 1_000


def queue(
    connection: Connection,
    kind: str,
    params: dict[str, Any],
    *,
    task_id: str = "",
    max_queue: int = MAX_QUEUE,
) -> Task:
    """Queue a task, in a transaction that writes; unless one that does the same is there: a rebuild
    that waits, an undo of the same import that has not ended.

    Raises `Unavailable` if `max_queue` tasks wait; for an undo also as `undo.check` does.
    """
    if joined := _joined(connection, kind, params):
        return joined
    if tasks.counts(connection)[QUEUED] >= max_queue:
        raise Unavailable(
            f"{max_queue} tasks are waiting already. Try again later.", headers={"Retry-After": "10"}
        )
    return tasks.create(connection, kind, params, now=time.time(), task_id=task_id)


def start(database: Database, kind: str, params: dict[str, Any]) -> Task:
    """Queue a task, in a transaction of its own."""
    with database.write() as connection:
        return queue(connection, kind, params)


def _joined(connection: Connection, kind: str, params: dict[str, Any]) -> Task | None:
    """The task that does the same already. Decided in the transaction that else queues another one."""
    if kind == REBUILD_MODEL:
        serialize(connection, kind)
        return tasks.waiting(connection, kind)
    if kind == UNDO_IMPORT:
        return undo.join(connection, params["undo_of"])
    return None

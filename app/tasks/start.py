"""Starting a task: never two rebuilds in the queue, and never more tasks than it holds."""

import time
from typing import Any

from sqlalchemy.engine import Connection

from app.errors import Unavailable
from app.repository import tasks
from app.storage import Database
from app.storage.database import serialize
from app.tasks.task import QUEUED, REBUILD_MODEL, Task

MAX_QUEUE = 1_000


def queue(
    connection: Connection,
    kind: str,
    params: dict[str, Any],
    *,
    task_id: str = "",
    max_queue: int = MAX_QUEUE,
) -> Task:
    """Queue a task, in a transaction that writes; a rebuild joins the one that waits already, if any.

    Raises `Unavailable` if `max_queue` tasks wait.
    """
    if kind == REBUILD_MODEL:
        serialize(connection, kind)
        if waiting := tasks.waiting(connection, kind):
            return waiting
    if tasks.counts(connection)[QUEUED] >= max_queue:
        raise Unavailable(
            f"{max_queue} tasks are waiting already. Try again later.", headers={"Retry-After": "10"}
        )
    return tasks.create(connection, kind, params, now=time.time(), task_id=task_id)


def start(database: Database, kind: str, params: dict[str, Any]) -> Task:
    """Queue a task, in a transaction of its own."""
    with database.write() as connection:
        return queue(connection, kind, params)

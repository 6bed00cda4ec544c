"""Starting a task: never two in the queue that do the same, and never more than it holds."""

import time
from dataclasses import asdict
from typing import Any

from sqlalchemy.engine import Connection

from app.errors import Unavailable
from app.repository import tasks
from app.storage import Database
from app.task import QUEUED, Task
from app.tasks.kinds import kind_of

MAX_QUEUE = 1_000


def queue(
    connection: Connection,
    kind: str,
    params: Any = None,
    *,
    task_id: str = "",
    owner: int | None = None,
    max_queue: int = MAX_QUEUE,
) -> Task:
    """Queue a task, in a transaction that writes; unless one that does the same is there, which is returned.

    `params`: of the kind's type; None: its defaults. `owner`: who asks for it. Raises `Unavailable` if
    `max_queue` tasks wait, and what the kind's `join` raises.
    """
    params = kind_of(kind).params() if params is None else params
    tasks.hold(connection)  # of two at once the second finds the task of the first
    if joined := kind_of(kind).join(connection, params):
        return joined
    if tasks.counts(connection)[QUEUED] >= max_queue:
        raise Unavailable(
            f"{max_queue} tasks are waiting already. Try again later.", headers={"Retry-After": "10"}
        )
    return tasks.create(connection, kind, asdict(params), now=time.time(), task_id=task_id, owner=owner)


def start(database: Database, kind: str, params: Any = None) -> Task:
    """Queue a task, in a transaction of its own."""
    with database.write() as connection:
        return queue(connection, kind, params)

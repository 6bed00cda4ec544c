"""Trying a task again that failed or was cancelled, if it can go on from where it was left."""

import time

from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Conflict, NotFound
from app.repository import tasks
from app.task import RETRIABLE, Task
from app.tasks.kinds import kind_of


def retry(connection: Connection, task_id: str, lacking: str | None) -> Task:
    """Queue a task again, in a transaction that writes; `lacking`: what `missing_of` returned before it.

    Raises `NotFound`, or `Conflict` with the reason why the task cannot go on.
    """
    tasks.hold(connection)
    task = tasks.get(connection, task_id)
    if task is None:
        raise NotFound(f"There is no task {task_id[:100]!r}. GET /tasks lists them.")
    kind = kind_of(task.kind)
    if task.status in RETRIABLE:
        kind.check(connection, task)
        if lacking:
            raise Conflict(lacking)
    return tasks.retry(connection, task, now=time.time(), from_start=not kind.has_begun(task))


def missing_of(settings: Settings, task: Task) -> str | None:
    """What a task that can be tried again lacks on disk: files are read before the transaction."""
    return kind_of(task.kind).missing(settings, task) if task.status in RETRIABLE else None

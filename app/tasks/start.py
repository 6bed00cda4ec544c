"""Starting a task: once per idempotency key, and never two rebuilds in the queue."""

import time
from dataclasses import dataclass
from typing import Any

from app.errors import Unavailable
from app.repository import tasks
from app.storage import Database
from app.storage.database import serialize
from app.tasks.task import QUEUED, REBUILD_MODEL, Task


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key as the caller sent it. `scope`: caller, method and path; `fingerprint`: of the payload."""

    scope: str
    key: str
    fingerprint: str


def start(
    database: Database,
    kind: str,
    params: dict[str, Any],
    *,
    key: IdempotencyKey | None = None,
    task_id: str = "",
    max_queue: int = 1_000,
) -> tuple[Task, bool]:
    """Queue a task: the task, and whether it had been started under this key before.

    A rebuild joins the one that waits already, if any. Raises `Invalid` if the key belongs to another
    request, `Unavailable` if `max_queue` tasks wait.
    """
    with database.write() as connection:
        if key:
            serialize(connection, f"key {key.scope} {key.key}")
            if known := tasks.task_of_key(connection, key.scope, key.key, key.fingerprint):
                return known, True
        task = None
        if kind == REBUILD_MODEL:
            serialize(connection, kind)
            task = tasks.waiting(connection, kind)
        now = time.time()
        if task is None and tasks.counts(connection)[QUEUED] >= max_queue:
            raise Unavailable(
                f"{max_queue} tasks are waiting already. Try again later.", headers={"Retry-After": "10"}
            )
        task = task or tasks.create(connection, kind, params, now=now, task_id=task_id)
        if key:
            tasks.remember_key(connection, key.scope, key.key, key.fingerprint, task.id, now=now)
        return task, False

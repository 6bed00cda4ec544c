"""Starting a task: once per idempotency key, and never two in the queue that do the same."""

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from app.errors import Unavailable
from app.imports import undo
from app.repository import tasks
from app.storage import Database
from app.storage.database import serialize
from app.tasks.task import QUEUED, REBUILD_MODEL, UNDO_IMPORT, Task


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

    A rebuild joins the one that waits already, an undo that of the same import that has not ended. Raises
    `Invalid` if the key belongs to another request, `Unavailable` if `max_queue` tasks wait; for an undo
    `NotFound` and `Conflict` as `undo.check` does.
    """
    with database.write() as connection:
        if key:
            serialize(connection, f"key {key.scope} {key.key}")
            if known := tasks.task_of_key(connection, key.scope, key.key, key.fingerprint):
                return known, True
        task = _joined(connection, kind, params)
        now = time.time()
        if task is None and tasks.counts(connection)[QUEUED] >= max_queue:
            raise Unavailable(
                f"{max_queue} tasks are waiting already. Try again later.", headers={"Retry-After": "10"}
            )
        task = task or tasks.create(connection, kind, params, now=now, task_id=task_id)
        if key:
            tasks.remember_key(connection, key.scope, key.key, key.fingerprint, task.id, now=now)
        return task, False


def _joined(connection: Connection, kind: str, params: dict[str, Any]) -> Task | None:
    """The task that does the same already. Decided in the transaction that else queues another one."""
    if kind == REBUILD_MODEL:
        serialize(connection, kind)
        return tasks.waiting(connection, kind)
    if kind == UNDO_IMPORT:
        return undo.join(connection, params["undo_of"])
    return None

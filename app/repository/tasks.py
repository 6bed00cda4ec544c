"""Queries on tasks and idempotency keys.

A task is claimed under a new attempt number; `advance` and everything built on it hit the row only
under that number, so that a worker that was replaced can change nothing.
"""

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Invalid
from app.storage.schema import idempotency_keys, tasks
from app.tasks.task import ACTIVE, CANCELLED, CANCELLING, FAILED, QUEUED, RUNNING, Task


class Fenced(Exception):
    """This attempt was replaced by a newer one: its transaction must roll back."""


def _task(row: Any) -> Task:
    return Task(**row)


def create(
    connection: Connection, kind: str, params: dict[str, Any], *, now: float, task_id: str = ""
) -> Task:
    """Queue a task."""
    values = {"id": task_id or str(uuid.uuid4()), "kind": kind, "params": params, "status": QUEUED}
    statement = tasks.insert().values(**values, created_at=now).returning(*tasks.c)
    return _task(connection.execute(statement).mappings().one())


def get(connection: Connection, task_id: str) -> Task | None:
    row = connection.execute(sa.select(tasks).where(tasks.c.id == task_id)).mappings().first()
    return _task(row) if row else None


def listing(
    connection: Connection,
    *,
    limit: int,
    before: int | None = None,
    kind: str | None = None,
    status: str | None = None,
) -> list[Task]:
    """Tasks, newest first, from the one before the number `before`."""
    query = sa.select(tasks).order_by(tasks.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(tasks.c.seq < before)
    if kind:
        query = query.where(tasks.c.kind == kind)
    if status:
        query = query.where(tasks.c.status == status)
    return [_task(row) for row in connection.execute(query).mappings()]


def waiting(connection: Connection, kind: str) -> Task | None:
    """The queued task of that kind that is next in line, if any."""
    query = sa.select(tasks).where(tasks.c.kind == kind, tasks.c.status == QUEUED).order_by(tasks.c.seq)
    row = connection.execute(query.limit(1)).mappings().first()
    return _task(row) if row else None


def claim(connection: Connection, *, now: float) -> Task | None:
    """Start the next attempt of the task that has waited longest."""
    query = sa.select(tasks.c.seq).where(tasks.c.status == QUEUED).order_by(tasks.c.seq).limit(1)
    seq = connection.execute(query.with_for_update(skip_locked=True)).scalar()
    if seq is None:
        return None
    statement = tasks.update().where(tasks.c.seq == seq).returning(*tasks.c)
    values = {"status": RUNNING, "attempt": tasks.c.attempt + 1}
    values["started_at"] = sa.func.coalesce(tasks.c.started_at, now)
    return _task(connection.execute(statement.values(**values)).mappings().one())


def has_queued(connection: Connection) -> bool:
    return (
        connection.execute(sa.select(tasks.c.seq).where(tasks.c.status == QUEUED).limit(1)).first()
        is not None
    )


def advance(connection: Connection, task: Task, values: dict[str, Any]) -> str:
    """Write `values` into the row of this attempt and answer its status. Raises `Fenced`."""
    statement = (
        tasks.update()
        .where(
            tasks.c.seq == task.seq,
            tasks.c.attempt == task.attempt,
            tasks.c.status.in_((RUNNING, CANCELLING)),
        )
        .values(**values)
        .returning(tasks.c.status)
    )
    rows = connection.execute(statement).scalars().all()
    if len(rows) != 1:
        raise Fenced(f"attempt {task.attempt} of task {task.id} was replaced")
    return str(rows[0])


def recover(connection: Connection, *, crashes: int, now: float) -> list[Task]:
    """Take up what a worker that died has left: back to queued, or failed after `crashes` without progress.

    Only for the holder of the runner lock, before its first claim.
    """
    query = sa.select(tasks).where(tasks.c.status.in_((RUNNING, CANCELLING)))
    left = [_task(row) for row in connection.execute(query).mappings().all()]
    for task in left:
        values: dict[str, Any] = {"status": QUEUED, "crashes": task.crashes + 1}
        if task.status == CANCELLING:
            values = {"status": CANCELLED, "finished_at": now}
        elif task.crashes + 1 >= crashes:
            values |= {"status": FAILED, "finished_at": now, "error": _crashed(task.crashes + 1)}
        connection.execute(tasks.update().where(tasks.c.seq == task.seq).values(**values))
    return left


def _crashed(times: int) -> dict[str, Any]:
    detail = f"The worker died {times} times in a row on this task without progress; see its log for why."
    return {"type": "urn:matinee:worker-died", "title": "Worker died", "status": 500, "detail": detail}


def request_cancel(connection: Connection, task_id: str, *, now: float) -> Task | None:
    """Cancel: a queued task at once, a running one at its next safe point; an ended one stays as it is."""
    for status, values in (
        (QUEUED, {"status": CANCELLED, "finished_at": now}),
        (RUNNING, {"status": CANCELLING}),
    ):
        where = (tasks.c.id == task_id, tasks.c.status == status)
        connection.execute(tasks.update().where(*where).values(**values))
    return get(connection, task_id)


def active_uploads(connection: Connection) -> set[str]:
    """The ids of tasks that have not ended: what they uploaded is still needed."""
    return set(connection.execute(sa.select(tasks.c.id).where(tasks.c.status.in_(ACTIVE))).scalars())


def task_of_key(connection: Connection, scope: str, key: str, fingerprint: str) -> Task | None:
    """The task that was started under this key. Raises `Invalid` if that was another request."""
    where = (idempotency_keys.c.scope == scope, idempotency_keys.c.key == key)
    row = connection.execute(sa.select(idempotency_keys).where(*where)).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise Invalid(
            f"The idempotency key {key!r} was used for another request (task {row.task_id}). "
            "Send the same request again, or take a new key."
        )
    return get(connection, row.task_id)


def remember_key(
    connection: Connection, scope: str, key: str, fingerprint: str, task_id: str, *, now: float
) -> None:
    """Tie a key to a task."""
    values = {"scope": scope, "key": key, "fingerprint": fingerprint, "task_id": task_id, "created_at": now}
    connection.execute(idempotency_keys.insert().values(**values))

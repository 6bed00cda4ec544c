"""Queries on tasks, their timeline, and idempotency keys.

A task is claimed under a new attempt number; `advance` hits the row only under that number, so that a worker
that was replaced can change nothing. Every change of a status is an event of the timeline, in the same
transaction.
"""

import functools
import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Conflict, Invalid
from app.storage.schema import idempotency_keys, task_events, tasks
from app.tasks.task import ACTIVE, CANCELLED, CANCELLING, FAILED, IN_ORDER, QUEUED, RUNNING, Task


class Fenced(Exception):
    """This attempt was replaced by a newer one: its transaction must roll back."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a task's timeline; `number` grows with time. `type`: status, progress or log."""

    number: int
    at: float
    type: str
    data: dict[str, Any]


def _task(row: Any) -> Task:
    return Task(**row)


def create(
    connection: Connection, kind: str, params: dict[str, Any], *, now: float, task_id: str = ""
) -> Task:
    """Queue a task."""
    values = {"id": task_id or str(uuid.uuid4()), "kind": kind, "params": params, "status": QUEUED}
    statement = tasks.insert().values(**values, created_at=now).returning(*tasks.c)
    task = _task(connection.execute(statement).mappings().one())
    _tell_status(connection, task, now)
    return task


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


def counts(connection: Connection) -> dict[str, int]:
    """How many tasks are in each status that is not an end."""
    query = (
        sa.select(tasks.c.status, sa.func.count()).where(tasks.c.status.in_(ACTIVE)).group_by(tasks.c.status)
    )
    return dict.fromkeys(ACTIVE, 0) | {row[0]: row[1] for row in connection.execute(query)}


_OLDER, _NOW = tasks.alias("older"), sa.bindparam("now", type_=sa.Double)
_OVERTAKES = sa.exists().where(
    _OLDER.c.status == QUEUED,
    _OLDER.c.not_before > _NOW,
    _OLDER.c.seq < tasks.c.seq,
    _OLDER.c.kind.in_(IN_ORDER),
)
_DUE = (
    tasks.c.status == QUEUED,
    tasks.c.not_before <= _NOW,
    tasks.c.kind.not_in(IN_ORDER) | ~_OVERTAKES,
)
"""Imports and undos keep their order: none overtakes one that waits to be tried again."""
_NEXT_DUE = sa.select(tasks.c.seq).where(*_DUE).order_by(tasks.c.seq).limit(1)


def claim(connection: Connection, *, now: float, worker: str = "") -> Task | None:
    """Start the next attempt of the task that is due and has waited longest."""
    seq = connection.execute(_NEXT_DUE.with_for_update(skip_locked=True), {"now": now}).scalar()
    if seq is None:
        return None
    values = {"status": RUNNING, "attempt": tasks.c.attempt + 1, "worker": worker}
    values["started_at"] = sa.func.coalesce(tasks.c.started_at, now)
    return _change(connection, seq, values, now)


def has_due(connection: Connection, *, now: float) -> bool:
    return connection.execute(_NEXT_DUE, {"now": now}).first() is not None


def advance(connection: Connection, task: Task, values: dict[str, Any], *, now: float) -> Task:
    """Write `values` into the row of this attempt; answers the row. Raises `Fenced`."""
    mine = {"mine": task.seq, "fence": task.attempt}
    row = connection.execute(_advance(tuple(values)), mine | values).mappings().first()
    if row is None:
        raise Fenced(f"attempt {task.attempt} of task {task.id} was replaced")
    if "status" in values:
        _tell_status(connection, _task(row), now)
    return _task(row)


@functools.cache
def _advance(names: tuple[str, ...]) -> Any:
    """Built once for each set of columns: an import advances a hundred times a second."""
    columns = (tasks.c.seq, tasks.c.attempt, tasks.c.status)
    mine = (columns[0] == sa.bindparam("mine"), columns[1] == sa.bindparam("fence"))
    values = {name: sa.bindparam(name, type_=tasks.c[name].type) for name in names}
    statement = tasks.update().where(*mine, columns[2].in_((RUNNING, CANCELLING)))
    return statement.values({"attempt": sa.bindparam("fence")} | values).returning(*tasks.c)


def recover(connection: Connection, *, crashes: int, now: float) -> list[Task]:
    """Take up what a worker that died has left: back to queued, or failed after `crashes` without progress.

    Only for the holder of the runner lock, before its first claim.
    """
    query = sa.select(tasks).where(tasks.c.status.in_((RUNNING, CANCELLING))).with_for_update()
    left = [_task(row) for row in connection.execute(query).mappings().all()]
    for task in left:
        if task.status == CANCELLING:
            _change(connection, task.seq, {"status": CANCELLED, "finished_at": now}, now)
            continue
        tell(connection, task, "log", {"level": "error", "text": f"worker {task.worker} died"}, now=now)
        values: dict[str, Any] = {"status": QUEUED, "crashes": task.crashes + 1}
        if task.crashes + 1 >= crashes:
            error = _worker_died(task.crashes + 1, history(connection, task))
            values |= {"status": FAILED, "finished_at": now, "error": error}
        _change(connection, task.seq, values, now)
    return left


def _worker_died(times: int, what: list[dict[str, Any]]) -> dict[str, Any]:
    detail = f"The worker died {times} times in a row on this task without progress; see its log for why."
    problem = {"type": "urn:matinee:worker-died", "title": "Worker died", "status": 500, "detail": detail}
    return problem | {"errors": what}


def history(connection: Connection, task: Task) -> list[dict[str, Any]]:
    """What went wrong with a task so far, in the form of problem details' `errors`."""
    lines = [e.data for e in events(connection, task.seq) if e.type == "log" and e.data["level"] == "error"]
    return [{"detail": line["text"], "pointer": ""} for line in lines]


def request_cancel(connection: Connection, task_id: str, *, now: float) -> Task | None:
    """Cancel: a queued task at once, a running one at its next safe point; an ended one stays as it is."""
    moves: tuple[tuple[str, dict[str, Any]], ...] = (
        (QUEUED, {"status": CANCELLED, "finished_at": now}),
        (RUNNING, {"status": CANCELLING}),
    )
    for status, values in moves:
        where = (tasks.c.id == task_id, tasks.c.status == status)
        statement = tasks.update().where(*where).values(**values).returning(*tasks.c)
        if row := connection.execute(statement).mappings().first():
            _tell_status(connection, _task(row), now)
            return _task(row)
    return get(connection, task_id)


def retry(connection: Connection, task: Task, *, now: float, from_start: bool = False) -> Task:
    """Queue a failed or cancelled task again, from its cursor. Raises `Conflict` for another status.

    Whether it may go on is for `app.tasks.retry` to say.
    """
    values: dict[str, Any] = {
        "status": QUEUED,
        "error": None,
        "finished_at": None,
        "crashes": 0,
        "failures": 0,
        "not_before": 0,
    }
    if from_start:
        values["cursor"] = None
    where = (tasks.c.seq == task.seq, tasks.c.status.in_((FAILED, CANCELLED)))
    row = (
        connection.execute(tasks.update().where(*where).values(**values).returning(*tasks.c))
        .mappings()
        .first()
    )
    if row is None:
        raise Conflict(
            f"Task {task.id} is {task.status}; only one that failed or was cancelled is tried again."
        )
    _tell_status(connection, _task(row), now)
    return _task(row)


def _change(connection: Connection, seq: int, values: dict[str, Any], now: float) -> Task:
    statement = tasks.update().where(tasks.c.seq == seq).values(**values).returning(*tasks.c)
    task = _task(connection.execute(statement).mappings().one())
    _tell_status(connection, task, now)
    return task


def _tell_status(connection: Connection, task: Task, now: float) -> None:
    data = {"status": task.status, "attempt": task.attempt, "worker": task.worker}
    tell(connection, task, "status", data, now=now)


def tell(connection: Connection, task: Task, type_: str, data: dict[str, Any], *, now: float) -> None:
    """Add to the timeline; in the transaction that changes the row, so that its order is that of the row."""
    connection.execute(task_events.insert().values(task_seq=task.seq, at=now, type=type_, data=data))


def events(connection: Connection, seq: int, *, after: int = 0, limit: int | None = None) -> list[Event]:
    """A task's timeline behind the event `after`."""
    columns = (task_events.c.number, task_events.c.at, task_events.c.type, task_events.c.data)
    query = sa.select(*columns).where(task_events.c.task_seq == seq, task_events.c.number > after)
    return [Event(*row) for row in connection.execute(query.order_by(task_events.c.number).limit(limit))]


def last_event(connection: Connection) -> int:
    """The number of the newest event of any task."""
    newest = sa.select(sa.func.coalesce(sa.func.max(task_events.c.number), 0))
    return int(connection.execute(newest).scalar_one())


def active_ids(connection: Connection) -> set[str]:
    """The ids of tasks that have not ended."""
    return set(connection.execute(sa.select(tasks.c.id).where(tasks.c.status.in_(ACTIVE))).scalars())


def kept_ids(connection: Connection) -> set[str]:
    """The ids of all tasks."""
    return set(connection.execute(sa.select(tasks.c.id)).scalars())


def retriable_ids(connection: Connection, *, since: float) -> set[str]:
    """The ids of tasks that failed or were cancelled at that time or later."""
    where = (tasks.c.status.in_((FAILED, CANCELLED)), tasks.c.finished_at >= since)
    return set(connection.execute(sa.select(tasks.c.id).where(*where)).scalars())


def forget(connection: Connection, *, before: float, limit: int = 500) -> list[Task]:
    """Delete tasks that ended before that time, with their timeline and keys; answers them."""
    query = sa.select(tasks).where(tasks.c.finished_at < before).order_by(tasks.c.seq).limit(limit)
    old = [_task(row) for row in connection.execute(query).mappings().all()]
    seqs, ids = [task.seq for task in old], [task.id for task in old]
    connection.execute(task_events.delete().where(task_events.c.task_seq.in_(seqs)))
    connection.execute(idempotency_keys.delete().where(idempotency_keys.c.task_id.in_(ids)))
    connection.execute(tasks.delete().where(tasks.c.seq.in_(seqs)))
    return old


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

"""Queries on tasks and their timeline.

A task is claimed under a new attempt number; `advance` hits the row only under that number, so that a worker
that was replaced can change nothing. Every change of a status is an event of the timeline, in the same
transaction.
"""

import functools
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Conflict
from app.repository import imports
from app.storage.schema import idempotency_keys, task_events, tasks
from app.task import (
    ACTIVE,
    AT_WORK,
    CANCELLED,
    CANCELLING,
    FAILED,
    IMPORT_RATINGS,
    IN_ORDER,
    MOVES,
    QUEUED,
    RUNNING,
    UNDO_IMPORT,
    Task,
)

LONGEST_PAUSE = 3600.0
"""Seconds; more than any retry waits."""

EXPIRED = "It ended so long ago that what its undo needs is no longer kept (MATINEE_KEEP_TASKS)."


class Fenced(Exception):
    """This attempt was replaced by a newer one, or has ended: its transaction must roll back."""


class IllegalMove(Exception):
    """A task cannot go from its status to that one."""


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


def _pauses(table: Any) -> sa.ColumnElement[bool]:
    """No pause is longer: one that still seems to be was begun by a clock that was ahead."""
    return sa.and_(table.c.not_before > _NOW, table.c.not_before <= _NOW + LONGEST_PAUSE)


_OVERTAKES = sa.exists().where(
    _OLDER.c.status == QUEUED,
    _pauses(_OLDER),
    _OLDER.c.seq < tasks.c.seq,
    _OLDER.c.kind.in_(IN_ORDER),
)
_DUE = (tasks.c.status == QUEUED, ~_pauses(tasks), tasks.c.kind.not_in(IN_ORDER) | ~_OVERTAKES)
"""Imports and undos keep their order: none overtakes one that waits to be tried again."""
_NEXT_DUE = sa.select(tasks).where(*_DUE).order_by(tasks.c.seq).limit(1)


def claim(connection: Connection, *, now: float, worker: str = "") -> Task | None:
    """Start the next attempt of the task that is due and has waited longest."""
    row = connection.execute(_NEXT_DUE.with_for_update(skip_locked=True), {"now": now}).mappings().first()
    if row is None:
        return None
    task = _task(row)
    values = {"attempt": task.attempt + 1, "worker": worker, "started_at": task.started_at or now}
    return move(connection, task, RUNNING, values, now=now)


def move(
    connection: Connection,
    task: Task,
    to: str,
    values: dict[str, Any] | None = None,
    *,
    now: float,
    sources: Collection[str] = (),
) -> Task:
    """Change the status of a task, and write `values` beside: nothing else changes one after its creation.

    Only from `sources`, all of MOVES that lead there by default, and only under the attempt number of `task`.
    Raises `Fenced` if the attempt of `task` ran and was replaced or has ended, `IllegalMove` if it is in
    another status.
    """
    allowed = {before for before, after in MOVES if after == to}
    if not allowed.issuperset(sources):
        raise IllegalMove(f"no task goes from {', '.join(sources)} to {to}")
    mine = (tasks.c.seq == task.seq, tasks.c.attempt == task.attempt)
    where = (*mine, tasks.c.status.in_(sources or allowed))
    statement = tasks.update().where(*where).values({"status": to, **(values or {})}).returning(*tasks.c)
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise _not_moved(connection, task, to)
    _tell_status(connection, _task(row), now)
    return _task(row)


def _not_moved(connection: Connection, task: Task, to: str) -> Exception:
    current = get(connection, task.id)
    same = current is not None and current.attempt == task.attempt
    if task.status in AT_WORK and not (same and current is not None and current.status in AT_WORK):
        return Fenced(f"attempt {task.attempt} of task {task.id} was replaced")
    return IllegalMove(f"task {task.id} is {current.status if current else 'gone'} and cannot be {to}")


def leave(connection: Connection, task: Task, to: str, values: dict[str, Any], *, now: float) -> Task:
    """End an attempt before its work is done: queued again, failed, or cancelled if that was asked for.

    A task that is being cancelled is never queued again. Raises `Fenced`.
    """
    try:
        return move(connection, task, to, values, now=now, sources=(RUNNING,))
    except IllegalMove:
        return move(connection, task, CANCELLED, {"finished_at": now}, now=now, sources=(CANCELLING,))


def has_due(connection: Connection, *, now: float) -> bool:
    return connection.execute(_NEXT_DUE, {"now": now}).first() is not None


def advance(connection: Connection, task: Task, values: dict[str, Any]) -> Task:
    """Write `values`, but no status, into the row of this attempt; returns the row. Raises `Fenced`."""
    if "status" in values:
        raise IllegalMove("a status is changed by `move` alone")
    mine = {"mine": task.seq, "fence": task.attempt}
    row = connection.execute(_advance(tuple(values)), mine | values).mappings().first()
    if row is None:
        raise Fenced(f"attempt {task.attempt} of task {task.id} was replaced")
    return _task(row)


@functools.cache
def _advance(names: tuple[str, ...]) -> Any:
    """Built once for each set of columns: an import advances a hundred times a second."""
    columns = (tasks.c.seq, tasks.c.attempt, tasks.c.status)
    mine = (columns[0] == sa.bindparam("mine"), columns[1] == sa.bindparam("fence"))
    values = {name: sa.bindparam(name, type_=tasks.c[name].type) for name in names}
    statement = tasks.update().where(*mine, columns[2].in_(AT_WORK))
    return statement.values({"attempt": sa.bindparam("fence")} | values).returning(*tasks.c)


def recover(connection: Connection, *, crashes: int, now: float) -> list[Task]:
    """Take up what a worker that died has left: back to queued, or failed after `crashes` without progress.

    Only for the holder of the runner lock, before its first claim.
    """
    query = sa.select(tasks).where(tasks.c.status.in_(AT_WORK)).with_for_update()
    left = [_task(row) for row in connection.execute(query).mappings().all()]
    for task in left:
        if task.status == RUNNING:
            text = f"worker {task.worker} died"
            tell(connection, task, "log", {"level": "error", "text": text}, now=now)
        to = QUEUED
        values: dict[str, Any] = {"crashes": task.crashes + 1}
        if task.crashes + 1 >= crashes:
            error = _worker_died(task.crashes + 1, history(connection, task))
            to, values = FAILED, values | {"finished_at": now, "error": error}
        leave(connection, task, to, values, now=now)
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
    query = sa.select(tasks).where(tasks.c.id == task_id).with_for_update()
    row = connection.execute(query).mappings().first()
    task = _task(row) if row else None
    if task is not None and task.status == QUEUED:
        return move(connection, task, CANCELLED, {"finished_at": now}, now=now, sources=(QUEUED,))
    if task is not None and task.status == RUNNING:
        return move(connection, task, CANCELLING, now=now)
    return task


def retry(connection: Connection, task: Task, *, now: float, from_start: bool = False) -> Task:
    """Queue a failed or cancelled task again, from its checkpoint. Raises `Conflict` for another status.

    Whether it may go on is for `app.tasks.retry` to say.
    """
    values: dict[str, Any] = {
        "error": None,
        "finished_at": None,
        "crashes": 0,
        "failures": 0,
        "not_before": 0,
    }
    if from_start:
        values["checkpoint"] = None
    try:
        return move(connection, task, QUEUED, values, now=now, sources=(FAILED, CANCELLED))
    except IllegalMove:
        raise Conflict(
            f"Task {task.id} is {task.status}; only one that failed or was cancelled is tried again."
        ) from None


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


def events_of_all(connection: Connection, *, after: int) -> list[tuple[int, Event]]:
    """(number of the task, event) of every task, in order, after the event `after`."""
    columns = (task_events.c.number, task_events.c.at, task_events.c.type, task_events.c.data)
    query = sa.select(task_events.c.task_seq, *columns).where(task_events.c.number > after)
    return [(row[0], Event(*row[1:])) for row in connection.execute(query.order_by(task_events.c.number))]


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


def latest_time(connection: Connection) -> float | None:
    """When a task was created or ended last."""
    latest = sa.select(sa.func.max(tasks.c.created_at), sa.func.max(tasks.c.finished_at))
    return max((time for time in connection.execute(latest).one() if time is not None), default=None)


def expire(connection: Connection, *, before: float, limit: int) -> list[int]:
    """The numbers of imports that ended before that time; from now on they cannot be undone."""
    old = _ended_before(connection, before, limit, tasks.c.kind == IMPORT_RATINGS)
    seqs = [task.seq for task in old]
    mine = tasks.update().where(tasks.c.seq.in_(seqs), tasks.c.undo_refused.is_(None))
    connection.execute(mine.values(undo_refused=EXPIRED))
    return seqs


def forget(connection: Connection, *, before: float, limit: int = 100) -> list[Task]:
    """Delete tasks that ended before that time, with their timeline, their keys and what their undo needs."""
    old = _ended_before(connection, before, limit)
    seqs, ids = [task.seq for task in old], [task.id for task in old]
    connection.execute(tasks.delete().where(tasks.c.seq.in_(seqs)))
    connection.execute(task_events.delete().where(task_events.c.task_seq.in_(seqs)))
    connection.execute(idempotency_keys.delete().where(idempotency_keys.c.task_id.in_(ids)))
    for seq in seqs:
        imports.forget(connection, seq)
    return old


def _ended_before(connection: Connection, before: float, limit: int, *where: Any) -> list[Task]:
    """The oldest tasks that ended before that time, locked; none whose undo is still to be done."""
    undos = sa.select(tasks.c.params).where(tasks.c.kind == UNDO_IMPORT, tasks.c.status.in_(ACTIVE))
    needed = {params["undo_of"] for params in connection.execute(undos).scalars()}
    query = sa.select(tasks).where(tasks.c.finished_at < before, tasks.c.id.not_in(needed), *where)
    rows = connection.execute(query.order_by(tasks.c.seq).limit(limit).with_for_update()).mappings()
    return [_task(row) for row in rows.all()]

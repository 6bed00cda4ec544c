"""Queries on tasks.

A task is claimed under a new attempt number; `advance` hits the row only under that number, so that a worker
that was replaced can change nothing. Every change of a status is an event of the timeline, in the same
transaction.
"""

import functools
import uuid
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app import logs, traces
from app.errors import Conflict
from app.repository import imports, task_changes, task_events
from app.repository.task_changes import Why
from app.storage.database import Database, database_of, serialize
from app.storage.schema import idempotency_keys, tasks
from app.task import (
    ACTIVE,
    AT_WORK,
    CANCELLED,
    CANCELLING,
    MOVES,
    QUEUED,
    RETRIABLE,
    RUNNING,
    STATUSES,
    Task,
)

LONGEST_PAUSE = 3600.0  # seconds; more than any retry waits


class Fenced(Exception):
    """This attempt was replaced by a newer one, or has ended: its transaction must roll back."""


class IllegalMove(Exception):
    """A task cannot go from its status to that one."""


def _first(connection: Connection, query: Any, values: dict[str, Any] | None = None) -> Task | None:
    row = connection.execute(query, values).mappings().first()
    return Task(**row) if row else None


def hold(connection: Connection) -> None:
    """Until the transaction ends no other one decides whether a task starts, or goes on."""
    serialize(connection, "tasks")


def create(
    connection: Connection,
    kind: str,
    params: dict[str, Any],
    *,
    now: float,
    task_id: str = "",
    owner: int | None = None,
) -> Task:
    """Queue a task, for the request of this context if there is one."""
    values: dict[str, Any] = {"id": task_id or str(uuid.uuid4()), "kind": kind, "params": params}
    belongs = {"request_id": logs.current().get("request_id"), "traceparent": traces.note()}
    values |= {"status": QUEUED, "owner": owner} | belongs
    statement = tasks.insert().values(**values, created_at=now).returning(*tasks.c)
    task = Task(**connection.execute(statement).mappings().one())
    task_changes.tell(connection, None, task, now)
    return task


def get(connection: Connection, task_id: str) -> Task | None:
    return _first(connection, sa.select(tasks).where(tasks.c.id == task_id))


def listing(
    connection: Connection,
    *,
    limit: int,
    before: int | None = None,
    kind: str | None = None,
    status: str | None = None,
    owner: int | None = None,
) -> list[Task]:
    """Tasks, newest first, from the one before the number `before`."""
    wanted: dict[Any, Any] = {tasks.c.kind: kind, tasks.c.status: status, tasks.c.owner: owner}
    query = sa.select(tasks).where(
        *(column == value for column, value in wanted.items() if value is not None)
    )
    if before is not None:
        query = query.where(tasks.c.seq < before)
    query = query.order_by(tasks.c.seq.desc()).limit(limit)
    return [Task(**row) for row in connection.execute(query).mappings()]


def waiting(connection: Connection, kind: str) -> Task | None:
    """The queued task of that kind that is next in line, if any."""
    query = sa.select(tasks).where(tasks.c.kind == kind, tasks.c.status == QUEUED).order_by(tasks.c.seq)
    return _first(connection, query.limit(1))


def counts(connection: Connection) -> dict[str, int]:
    """How many tasks are in each status that is not an end."""
    query = (
        sa.select(tasks.c.status, sa.func.count()).where(tasks.c.status.in_(ACTIVE)).group_by(tasks.c.status)
    )
    return dict.fromkeys(ACTIVE, 0) | {row[0]: row[1] for row in connection.execute(query)}


def kinds_at_work(connection: Connection) -> set[str]:
    """The kinds of which a task is running or being cancelled."""
    return set(connection.execute(sa.select(tasks.c.kind).where(tasks.c.status.in_(AT_WORK))).scalars())


def active_kinds(connection: Connection) -> set[str]:
    """The kinds of which a task has not ended."""
    return set(connection.execute(sa.select(tasks.c.kind).where(tasks.c.status.in_(ACTIVE))).scalars())


def due(
    connection: Connection, kinds: Collection[str], *, now: float, in_order: bool = False, lock: bool = False
) -> Task | None:
    """The task of these kinds that is due and has waited longest.

    `in_order`: none overtakes one that waits to be tried again. `lock`: it is to be claimed.
    """
    # No pause is longer: one that seems to be was begun by a clock that was ahead.
    until = now + LONGEST_PAUSE
    query = sa.select(tasks).where(tasks.c.status == QUEUED, tasks.c.kind.in_(kinds))
    if not in_order:
        query = query.where((tasks.c.not_before <= now) | (tasks.c.not_before > until))
    query = query.order_by(tasks.c.seq).limit(1)
    # Where the order counts, one that is being claimed is waited for, and not overtaken.
    task = _first(connection, query.with_for_update(skip_locked=not in_order) if lock else query)
    return None if task is not None and now < task.not_before <= until else task


def move(
    connection: Connection,
    task: Task,
    to: str,
    values: dict[str, Any] | None = None,
    *,
    now: float,
    sources: Collection[str] = (),
    why: Why | None = None,
) -> Task:
    """Change the status of a task, and write `values` beside: nothing else changes one after its creation.

    `why`: the reason, for the log.
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
    moved = _first(connection, statement)
    if moved is None:
        raise _not_moved(connection, task, to)
    task_changes.tell(connection, task, moved, now, why)
    return moved


def _not_moved(connection: Connection, task: Task, to: str) -> Exception:
    current = get(connection, task.id)
    same = current is not None and current.attempt == task.attempt
    if task.status in AT_WORK and not (same and current is not None and current.status in AT_WORK):
        return Fenced(f"attempt {task.attempt} of task {task.id} was replaced")
    return IllegalMove(f"task {task.id} is {current.status if current else 'gone'} and cannot be {to}")


def leave(
    connection: Connection, task: Task, to: str, values: dict[str, Any], *, now: float, why: Why | None = None
) -> Task:
    """End an attempt before its work is done: queued again, failed, or cancelled if that was asked for.

    A task that is being cancelled is never queued again. Raises `Fenced`.
    """
    try:
        return move(connection, task, to, values, now=now, sources=(RUNNING,), why=why)
    except IllegalMove:
        return move(connection, task, CANCELLED, {"finished_at": now}, now=now, sources=(CANCELLING,))


def advance(
    connection: Connection, task: Task, values: dict[str, Any], *, lease: float | None = None
) -> Task:
    """Write `values`, but no status, into the row of this attempt; returns the row. Raises `Fenced`.

    `lease`: seconds from now to which its lease is extended.
    """
    if "status" in values:
        raise IllegalMove("a status is changed by `move` alone")
    mine = {"mine": task.seq, "fence": task.attempt} | ({} if lease is None else {"lease": lease})
    statement = _advance(type(database_of(connection)), tuple(values), lease is not None)
    advanced = _first(connection, statement, mine | values)
    if advanced is None:
        raise Fenced(f"attempt {task.attempt} of task {task.id} was replaced")
    return advanced


@functools.cache
def _advance(engine: type[Database], names: tuple[str, ...], extends: bool) -> Any:
    """Built once for each set of columns: an import advances a hundred times a second."""
    columns = (tasks.c.seq, tasks.c.attempt, tasks.c.status)
    mine = (columns[0] == sa.bindparam("mine"), columns[1] == sa.bindparam("fence"))
    values = {name: sa.bindparam(name, type_=tasks.c[name].type) for name in names}
    statement = tasks.update().where(*mine, columns[2].in_(AT_WORK))
    if extends:
        statement = statement.values(
            leased_until=engine.workers.now() + sa.bindparam("lease", type_=sa.Double)
        )
    return statement.values({"attempt": sa.bindparam("fence")} | values).returning(*tasks.c)


def request_cancel(connection: Connection, task_id: str, *, now: float) -> Task | None:
    """Cancel: a queued task at once, a running one at its next safe point; an ended one stays as it is."""
    task = _first(connection, sa.select(tasks).where(tasks.c.id == task_id).with_for_update())
    if task is not None and task.status == QUEUED:
        return move(connection, task, CANCELLED, {"finished_at": now}, now=now, sources=(QUEUED,))
    if task is not None and task.status == RUNNING:
        return move(connection, task, CANCELLING, now=now)
    return task


def retry(connection: Connection, task: Task, *, now: float, from_start: bool = False) -> Task:
    """Queue a failed or cancelled task again, from its checkpoint. Raises `Conflict` for another status.

    Whether it may go on is for `app.tasks.retry` to say.
    """
    values = {"error": None, "finished_at": None, "crashes": 0, "failures": 0, "not_before": 0}
    if from_start:
        values |= {"checkpoint": None}
    try:
        return move(connection, task, QUEUED, values, now=now, sources=RETRIABLE)
    except IllegalMove:
        raise Conflict(
            f"Task {task.id} is {task.status}; only one that failed or was cancelled is tried again."
        ) from None


def ids(connection: Connection, statuses: Collection[str] = STATUSES, *, since: float = 0.0) -> set[str]:
    """Of the tasks of these statuses; of those that ended, since that time alone."""
    where = (tasks.c.status.in_(statuses), sa.func.coalesce(tasks.c.finished_at, since) >= since)
    return set(connection.execute(sa.select(tasks.c.id).where(*where)).scalars())


def latest_time(connection: Connection) -> float | None:
    """When a task was created or ended last."""
    latest = sa.select(sa.func.max(tasks.c.created_at), sa.func.max(tasks.c.finished_at))
    return max((time for time in connection.execute(latest).one() if time is not None), default=None)


def forget(
    connection: Connection, *, before: float, limit: int = 100, keep: Collection[str] = ()
) -> list[Task]:
    """Delete tasks that ended before that time, with their timeline, their keys and what their undo needs.

    `keep`: the ids of those that stay.
    """
    old = ended_before(connection, before, limit, tasks.c.id.not_in(keep))
    remove(connection, old)
    return old


def remove(connection: Connection, old: Collection[Task]) -> None:
    """Delete ended tasks, with their timeline, their keys and what their undo needs."""
    seqs, ids = [task.seq for task in old], [task.id for task in old]
    connection.execute(tasks.delete().where(tasks.c.seq.in_(seqs)))
    task_events.forget(connection, seqs)
    connection.execute(idempotency_keys.delete().where(idempotency_keys.c.task_id.in_(ids)))
    for seq in seqs:
        imports.forget(connection, seq)


def ended_before(connection: Connection, before: float, limit: int, *where: Any) -> list[Task]:
    """The oldest tasks that ended before that time, locked."""
    query = sa.select(tasks).where(tasks.c.finished_at < before, *where)
    rows = connection.execute(query.order_by(tasks.c.seq).limit(limit).with_for_update()).mappings()
    return [Task(**row) for row in rows.all()]

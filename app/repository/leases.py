"""Leases: until when a task at work belongs to its worker, by the clock of the database.

Each write of an attempt extends its lease. One that has run out ends nothing by itself: the next worker that
looks for work takes the task up, under the next attempt number, and the attempt before it can then write no
more.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import WorkerDied
from app.repository import task_events, tasks
from app.repository.task_changes import Why
from app.storage import database_of
from app.storage.schema import tasks as table
from app.task import AT_WORK, FAILED, QUEUED, RUNNING, Task

LEASE = 15.0
"""Seconds of a lease, by default."""
LONGEST = 600.0
"""Seconds of the longest lease: one that seems to be longer was given by a clock that was ahead."""
NO_MORE = 0.0
"""What a lease is set to whose worker is known to be gone."""


def until(connection: Connection, seconds: float) -> sa.ColumnElement[float]:
    """The end of a lease that is given now, as a value of `leased_until`."""
    return database_of(connection).workers.now() + sa.literal(seconds, sa.Double)


def extend(connection: Connection, task: Task, seconds: float) -> Task | None:
    """Extend the lease of this attempt, also if it has run out; None if it has ended or was replaced."""
    mine = (table.c.seq == task.seq, table.c.attempt == task.attempt, table.c.status.in_(AT_WORK))
    statement = table.update().where(*mine).values(leased_until=until(connection, seconds))
    row = connection.execute(statement.returning(*table.c)).mappings().first()
    return Task(**row) if row else None


def release(connection: Connection, workers: Collection[str] | None) -> None:
    """End the leases of workers that are gone; None: of all there are."""
    where = [table.c.status.in_(AT_WORK)] + ([] if workers is None else [table.c.worker.in_(workers)])
    if workers is None or workers:
        connection.execute(table.update().where(*where).values(leased_until=NO_MORE))


def run_out(connection: Connection, kinds: Collection[str]) -> list[Task]:
    """The tasks of these kinds at work whose leases have run out."""
    return _tasks(connection, _run_out(connection, kinds))


def recover(
    connection: Connection, kinds: Collection[str], *, crashes: int, now: float, by: str = ""
) -> list[Task]:
    """Take up the tasks whose leases have run out: back to queued, or failed.

    `crashes`: after so many without progress it is failed. `by`: the worker that takes them up. One that
    another worker takes up at this moment is left to that.
    """
    left = _tasks(connection, _run_out(connection, kinds).with_for_update(skip_locked=True))
    for task in left:
        _take_up(connection, task, crashes, now, by)
    return left


def take_up(
    connection: Connection, workers: Collection[str] | None, *, crashes: int, now: float, by: str = ""
) -> list[Task]:
    """Take up what these workers, which are gone, have left; None: whatever is at work."""
    release(connection, workers)
    mine = (table.c.status.in_(AT_WORK), table.c.leased_until == NO_MORE)
    kinds = set(connection.execute(sa.select(table.c.kind).where(*mine)).scalars())
    return recover(connection, kinds, crashes=crashes, now=now, by=by)


def _run_out(connection: Connection, kinds: Collection[str]) -> Any:
    now = database_of(connection).workers.now()
    ended = sa.or_(
        table.c.leased_until.is_(None), table.c.leased_until < now, table.c.leased_until > now + LONGEST
    )
    query = sa.select(table).where(table.c.status.in_(AT_WORK), table.c.kind.in_(kinds), ended)
    return query.order_by(table.c.seq)


def _tasks(connection: Connection, query: Any) -> list[Task]:
    return [Task(**row) for row in connection.execute(query).mappings().all()]


def _take_up(connection: Connection, task: Task, crashes: int, now: float, by: str) -> None:
    is_gone = task.leased_until == NO_MORE
    if task.status == RUNNING:
        what = f"worker {task.worker} died" if is_gone else f"the lease of worker {task.worker} ran out"
        task_events.tell(connection, task, "log", {"level": "error", "text": what}, now=now)
    cause = f"worker {task.worker} was killed" if is_gone else f"the lease of worker {task.worker} ran out"
    why = Why(f"was left when {cause}", who=f"worker {by}")
    to = QUEUED
    values: dict[str, Any] = {"crashes": task.crashes + 1}
    if task.crashes + 1 >= crashes:
        error = _worker_died(task.crashes + 1, task_events.history(connection, task))
        to, values = FAILED, values | {"finished_at": now, "error": error}
    tasks.leave(connection, task, to, values, now=now, why=why)


def _worker_died(times: int, what: list[dict[str, Any]]) -> dict[str, Any]:
    detail = f"The worker died {times} times in a row on this task without progress; see its log for why."
    return WorkerDied(detail, errors=what).problem()

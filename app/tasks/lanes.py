"""Claiming tasks: in each lane one at a time, which an index over those at work makes sure of."""

import logging
import time
from collections.abc import Collection, Iterable

from sqlalchemy.engine import Connection

from app.config import Settings
from app.repository import leases, tasks
from app.storage import Database, database_of
from app.task import RUNNING, Task
from app.tasks.kinds import LANES, RATINGS, kind_of, names

log = logging.getLogger("matinee.worker")


def next_due(
    connection: Connection, *, now: float, lanes: Iterable[str] = LANES, lock: bool = False
) -> Task | None:
    """The first that is due in a lane where none is at work; of several lanes, the one that waited longest.

    `lock`: it is to be claimed.
    """
    at_work = tasks.kinds_at_work(connection)
    due = (
        tasks.due(connection, names(lane), now=now, in_order=lane == RATINGS, lock=lock)
        for lane in lanes
        if at_work.isdisjoint(names(lane))
    )
    return min(filter(None, due), key=lambda task: task.seq, default=None)


def claim(
    connection: Connection,
    *,
    now: float,
    worker: str = "",
    lanes: Iterable[str] = LANES,
    lease: float = leases.LEASE,
) -> Task | None:
    """Start the next attempt of the task that is due, if there is one, with a lease of so many seconds.

    Raises `IntegrityError` where another worker has just claimed one of the same lane: then that one is it.
    Until the transaction ends no other worker gets a task of a lane in order, so it may not stand still for
    longer than a lease.
    """
    database_of(connection).workers.end_if_idle(connection, lease)
    task = next_due(connection, now=now, lanes=lanes, lock=True)
    if task is None:
        return None
    values = {"attempt": task.attempt + 1, "worker": worker, "started_at": task.started_at or now}
    values |= {"lane": kind_of(task.kind).lane, "leased_until": leases.until(connection, lease)}
    return tasks.move(connection, task, RUNNING, values, now=now)


def left_behind(connection: Connection, lanes: Iterable[str] = LANES) -> list[Task]:
    """The tasks of these lanes at work whose leases have run out."""
    return leases.run_out(connection, [kind for lane in lanes for kind in names(lane)])


def look_after(database: Database, settings: Settings, worker: str) -> None:
    """Have `worker` take up what others have left, beside whatever its lines do.

    They may be at work themselves, or wait for a lock that one of those others holds.
    """
    try:
        with database.read() as connection:
            left = [task for task in left_behind(connection) if task.worker != worker]
        if left:
            recover(database, settings, left, worker)
    except Exception as error:  # the next look may find the database again
        log.warning("what other workers have left is looked at again later: %s", error)


def recover(database: Database, settings: Settings, left: Collection[Task], worker: str) -> None:
    """Have `worker` take up tasks whose leases have run out, unless another one is faster."""
    for gone in {task.worker for task in left if task.worker}:
        # One that only stands still may hold locks in a transaction that it does not end.
        if ended := database.workers.end_sessions(database, gone, settings.lease / 2):
            log.warning("%d sessions of worker %s, whose lease ran out, were ended", ended, gone)
    kinds = {task.kind for task in left}
    with database.write() as connection:
        leases.recover(connection, kinds, crashes=settings.task_crashes, now=time.time(), by=worker)

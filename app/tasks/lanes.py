"""Claiming tasks: in each lane one at a time."""

from collections.abc import Iterable

from sqlalchemy.engine import Connection

from app.repository import tasks
from app.task import RUNNING, Task
from app.tasks.kinds import LANES, RATINGS, names


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
    connection: Connection, *, now: float, worker: str = "", lanes: Iterable[str] = LANES
) -> Task | None:
    """Start the next attempt of the task that is due, if there is one."""
    task = next_due(connection, now=now, lanes=lanes, lock=True)
    if task is None:
        return None
    values = {"attempt": task.attempt + 1, "worker": worker, "started_at": task.started_at or now}
    return tasks.move(connection, task, RUNNING, values, now=now)

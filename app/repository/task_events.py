"""Queries on the timelines of tasks: what happened to each, in order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.task_tables import task_events
from app.task import Task


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a task's timeline; `number` grows with time. `type`: status, progress or log."""

    number: int
    at: float
    type: str
    data: dict[str, Any]


def tell(connection: Connection, task: Task, type_: str, data: dict[str, Any], *, now: float) -> None:
    """Add to the timeline; in the transaction that changes the row, so that its order is that of the row."""
    connection.execute(task_events.insert().values(task_seq=task.seq, at=now, type=type_, data=data))


def events(connection: Connection, seq: int, *, after: int = 0, limit: int | None = None) -> list[Event]:
    """A task's timeline after the event `after`."""
    columns = (task_events.c.number, task_events.c.at, task_events.c.type, task_events.c.data)
    query = sa.select(*columns).where(task_events.c.task_seq == seq, task_events.c.number > after)
    return [Event(*row) for row in connection.execute(query.order_by(task_events.c.number).limit(limit))]


def rewrite(connection: Connection, event: Event, data: dict[str, Any]) -> None:
    """Say the same without what is forgotten."""
    connection.execute(task_events.update().where(task_events.c.number == event.number).values(data=data))


def events_of_all(connection: Connection, *, after: int) -> list[tuple[int, Event]]:
    """(number of the task, event) of every task, in order, after the event `after`."""
    columns = (task_events.c.number, task_events.c.at, task_events.c.type, task_events.c.data)
    query = sa.select(task_events.c.task_seq, *columns).where(task_events.c.number > after)
    return [(row[0], Event(*row[1:])) for row in connection.execute(query.order_by(task_events.c.number))]


def last_event(connection: Connection) -> int:
    """The number of the newest event of any task."""
    newest = sa.select(sa.func.coalesce(sa.func.max(task_events.c.number), 0))
    return int(connection.execute(newest).scalar_one())


def history(connection: Connection, task: Task) -> list[dict[str, Any]]:
    """What went wrong with a task so far, in the form of problem details' `errors`."""
    lines = [e.data for e in events(connection, task.seq) if e.type == "log" and e.data["level"] == "error"]
    return [{"detail": line["text"], "pointer": ""} for line in lines]


def forget(connection: Connection, seqs: Iterable[int]) -> None:
    """Delete the timelines of the tasks of these numbers."""
    connection.execute(task_events.delete().where(task_events.c.task_seq.in_(seqs)))

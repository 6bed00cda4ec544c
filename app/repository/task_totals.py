"""Totals over all tasks there ever were, moved in the transaction of what they count: exact, and never back.

`figure` is what is counted of tasks of one kind, `label` by what; of a histogram it is that of a bucket.
"""

import bisect
import functools
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.database import database_of
from app.storage.task_tables import task_totals
from app.task import ENDED, RUNNING, Task

ATTEMPTS, FENCED, ROWS = "attempts", "fenced", "rows"
LATENCY, DURATION = "latency", "duration"
BOUNDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""Upper bounds of the buckets in seconds."""
SUM = "sum"

Total = tuple[str, str, str, float]
"""(kind, figure, label, value)"""


def add(connection: Connection, totals: Iterable[Total]) -> None:
    """In the order of the key: two transactions that add to the same ones cannot wait for each other."""
    names = ("kind", "figure", "label", "value")
    if rows := [dict(zip(names, total, strict=True)) for total in sorted(totals)]:
        connection.execute(_add(type(database_of(connection))), rows)


@functools.cache
def _add(engine: Any) -> Any:
    statement = engine.insert(task_totals)
    value = task_totals.c.value + statement.excluded.value
    return statement.on_conflict_do_update(
        index_elements=list(task_totals.primary_key), set_={"value": value}
    )


def note(connection: Connection, task: Task, now: float) -> None:
    """Count a change of a task, to the status that it has now."""
    totals: list[Total] = []
    if task.status == RUNNING:
        totals.append((task.kind, ATTEMPTS, "", 1.0))
        if task.attempt == 1:
            totals += _observed(task.kind, LATENCY, "", now - task.created_at)
    elif task.status in ENDED:
        took = now - task.started_at if task.started_at is not None else 0.0
        totals += _observed(task.kind, DURATION, task.status, took)
    add(connection, totals)


def _observed(kind: str, figure: str, label: str, seconds: float) -> list[Total]:
    seconds = max(0.0, seconds)  # the clock may have been set back
    bucket = str(bisect.bisect_left(BOUNDS, seconds))
    return [(kind, figure, f"{label}:{SUM}", seconds), (kind, figure, f"{label}:{bucket}", 1.0)]


def listing(connection: Connection) -> list[Total]:
    query = sa.select(task_totals.c.kind, task_totals.c.figure, task_totals.c.label, task_totals.c.value)
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]

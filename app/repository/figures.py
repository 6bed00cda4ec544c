"""What metrics and pages show of the rows, read when they are asked for, in a few short queries."""

import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.repository import models, movies, ratings, task_totals
from app.repository.models import ModelVersion
from app.repository.task_totals import Total
from app.storage.schema import tasks
from app.task import QUEUED


@dataclass(frozen=True, slots=True)
class Figures:
    """`tasks`: (kind, status) to their number. `waits`: seconds that the first due task waits, else 0."""

    tasks: dict[tuple[str, str], int]
    totals: list[Total]
    waits: float
    model: ModelVersion | None
    ratings_since: int
    ratings: int
    movies: int


def read(connection: Connection, now: float | None = None) -> Figures:
    now = time.time() if now is None else now
    counted = sa.select(tasks.c.kind, tasks.c.status, sa.func.count()).group_by(tasks.c.kind, tasks.c.status)
    due = sa.case((tasks.c.not_before > tasks.c.created_at, tasks.c.not_before), else_=tasks.c.created_at)
    first = connection.execute(sa.select(sa.func.min(due)).where(tasks.c.status == QUEUED)).scalar()
    active = models.active(connection)
    model = models.get(connection, active.version) if active else None
    return Figures(
        {(row[0], row[1]): row[2] for row in connection.execute(counted)},
        task_totals.listing(connection),
        max(0.0, now - first) if first is not None else 0.0,
        model,
        ratings.changes(connection) - model.rating_changes if model else 0,
        ratings.count(connection),
        movies.count(connection),
    )

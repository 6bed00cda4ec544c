"""Whole tables in batches of columns, for exports."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from app.arrays import Floats, Integers
from app.storage.database import database_of
from app.storage.personal import marks as marks_table
from app.storage.schema import ratings as ratings_table

USERS, ROWS = 500, 20_000
"""Users of a batch of ratings, rows of a batch of marks."""


def ratings(
    connection: Connection, users: int = USERS
) -> Iterator[tuple[Integers, Integers, Floats, Integers]]:
    """Users, movies, scores and times of every rating as arrays [n], by user and movie.

    As `app.repository.ratings.columns`, with the times.
    """
    table = ratings_table.c
    texts = [_joined(connection, column, by) for column, by in ((table.movie_id, ","), (table.rated_at, ","))]
    steps = _joined(connection, sa.cast(table.score * 2 - 1, sa.Integer), "")
    query = sa.select(table.user_id, sa.func.count(), *texts, steps).group_by(table.user_id)
    result = connection.execution_options(yield_per=users).execute(query.order_by(table.user_id))
    for part in result.partitions():
        user_ids, counts, movies, times, digits = zip(*part, strict=True)
        scores = np.frombuffer("".join(digits).encode(), np.uint8) - np.uint8(ord("0") - 1)
        yield (
            np.repeat(np.array(user_ids, np.int64), counts),
            _integers(movies),
            scores.astype(np.float32) * np.float32(0.5),
            _integers(times),
        )


def _joined(connection: Connection, column: Any, separator: str) -> Any:
    """One user's values of a column as a text, by movie."""
    text = sa.func.aggregate_strings(sa.cast(column, sa.Text), separator)
    return database_of(connection).ordered(text, ratings_table.c.movie_id)


def _integers(texts: tuple[str, ...]) -> NDArray[np.int64]:
    return np.fromstring(",".join(texts), np.int64, sep=",")


def marks(
    connection: Connection, rows: int = ROWS
) -> Iterator[tuple[Integers, Integers, list[str], Integers]]:
    """Users, movies, names and times of every mark that is set, by user and movie."""
    table = marks_table.c
    query = sa.select(table.user_id, table.movie_id, table.mark, table.marked_at).where(table.is_set)
    ordered = query.order_by(table.user_id, table.movie_id, table.mark)
    for part in connection.execution_options(yield_per=rows).execute(ordered).partitions():
        users, movies, names, times = zip(*part, strict=True)
        yield np.array(users, np.int64), np.array(movies, np.int64), list(names), np.array(times, np.int64)

"""Queries on movies that were merged into others: what their ids mean now.

An id is merged from the first transaction of the merge on: what is rated under it from then on is rated under
the other one, so that the merge comes to an end. A chain of merges is followed link by link.
"""

from collections.abc import Callable, Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.database import database_of
from app.storage.prepared import Prepared
from app.storage.schema import merged_movies, movies

_INTO = Prepared(sa.select(merged_movies.c.into_id).where(merged_movies.c.movie_id == sa.bindparam("movie")))
_LOCK = Prepared(sa.select(movies.c.id).where(movies.c.id == sa.bindparam("movie")).with_for_update())


def now(connection: Connection, movie_id: int, *, lock: bool = False) -> int:
    """The id of the movie that this one is now: itself, unless it was merged.

    `lock` holds the row of every movie on the way until the end of the transaction, so that it stays so.
    """
    while True:
        if lock:
            _LOCK.run(connection, movie=movie_id)
        into = _INTO.first(connection, movie=movie_id)
        if into is None:
            return movie_id
        movie_id = int(into[0])


def ask(connection: Connection, movie_id: int) -> Callable[[], int | None]:
    """Ask for the id that this movie was merged into, if it was; the function returned reads the result."""
    cursor = _INTO.run(connection, movie=movie_id)

    def read() -> int | None:
        row = cursor.fetchone()
        return int(row[0]) if row else None

    return read


def among(connection: Connection, ids: Iterable[int]) -> dict[int, int]:
    """Those of `ids` that were merged, with the ids that they are now."""
    columns = (merged_movies.c.movie_id, merged_movies.c.into_id)
    found: dict[int, int] = {}
    for some in database_of(connection).batches(ids):
        rows = connection.execute(sa.select(*columns).where(merged_movies.c.movie_id.in_(some)))
        found |= {movie_id: now(connection, into_id) for movie_id, into_id in rows.all()}
    return found


def every(connection: Connection) -> dict[int, int]:
    """All that were merged, with the ids that they are now."""
    return among(connection, list(connection.execute(sa.select(merged_movies.c.movie_id)).scalars()))


def pointing_at(connection: Connection, movie_id: int) -> list[int]:
    """The movies that were merged into this one, without those that were merged into these."""
    query = sa.select(merged_movies.c.movie_id).where(merged_movies.c.into_id == movie_id)
    return list(connection.execute(query.order_by(merged_movies.c.movie_id)).scalars())


def forget(connection: Connection, ids: Iterable[int]) -> None:
    """The ids that lead to these movies are those of no movie from now on."""
    for some in database_of(connection).batches(ids):
        connection.execute(merged_movies.delete().where(merged_movies.c.into_id.in_(some)))

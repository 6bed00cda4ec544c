"""Queries on the first raters of movies, where many ratings are written or moved at once."""

from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.rating import RatingColumns
from app.repository import merged_movies
from app.repository.moves import Source
from app.repository.ratings import FIRST_RATERS, first_raters_of
from app.storage.bulk import execute_many
from app.storage.database import database_of
from app.storage.schema import first_raters


def add(connection: Connection, written: RatingColumns) -> None:
    """Add users to the first raters of their movies, as far as these have room."""
    statement = database_of(connection).insert(first_raters).on_conflict_do_nothing()
    for movie_id in np.unique(written.movie_id).tolist():
        room = max(0, FIRST_RATERS - len(first_raters_of(connection, movie_id)))
        users = written.user_id[written.movie_id == movie_id][:room].tolist()
        if users:
            connection.execute(statement, [{"movie_id": movie_id, "user_id": user_id} for user_id in users])


def remove(connection: Connection, gone: RatingColumns) -> None:
    """They have not rated that movie any more."""
    execute_many(connection, _REMOVE, {"user": gone.user_id.tolist(), "movie": gone.movie_id.tolist()})


def bring_back(connection: Connection, source: Source, back: RatingColumns) -> None:
    """Ratings that a merge had moved are those of the source again: so are those among the first raters."""
    pairs = zip(back.user_id.tolist(), back.movie_id.tolist(), strict=True)
    if source.column == "user_id":
        before = {(source.into, movie_id): (source.value, movie_id) for _, movie_id in pairs}
    else:
        into = _into(connection, source, np.unique(back.movie_id).tolist())
        before = {(user_id, into.get(movie_id)): (user_id, movie_id) for user_id, movie_id in pairs}
    found = list[tuple[int | None, int | None]]()
    for some in database_of(connection).batches(sorted({movie_id or 0 for _, movie_id in before})):
        query = sa.select(first_raters.c.user_id, first_raters.c.movie_id)
        query = query.where(first_raters.c.movie_id.in_(some)).order_by(first_raters.c.number)
        found += [before[key] for row in connection.execute(query) if (key := (row[0], row[1])) in before]
    if found:
        statement = database_of(connection).insert(first_raters).on_conflict_do_nothing()
        connection.execute(statement, [{"user_id": user, "movie_id": movie} for user, movie in found])


def _into(connection: Connection, source: Source, ids: list[int]) -> dict[int, int | None]:
    """Which movie has taken each of them."""
    if source.value is not None:
        return dict.fromkeys(ids, source.into)
    return dict(merged_movies.among(connection, ids))


_REMOVE: Any = first_raters.delete().where(
    first_raters.c.user_id == sa.bindparam("user"), first_raters.c.movie_id == sa.bindparam("movie")
)

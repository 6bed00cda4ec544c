"""Queries on the ratings of one user, together with their movies."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.movie import Movie
from app.repository.movies import WHOLE, movie_of
from app.storage.schema import movies, ratings


@dataclass(frozen=True, slots=True)
class RatedMovie:
    """A movie, the user's score of it, and when it was given (epoch seconds)."""

    movie: Movie
    score: float
    rated_at: int


def newest(
    connection: Connection, user_id: int, *, limit: int, before: tuple[int, int] | None = None
) -> list[RatedMovie]:
    """The movies that the user rated, newest first, after the place `before`: (rated_at, movie id)."""
    query = (
        WHOLE.add_columns(ratings.c.score, ratings.c.rated_at)
        .join(ratings, movies.c.id == ratings.c.movie_id)
        .where(ratings.c.user_id == user_id)
        .order_by(ratings.c.rated_at.desc(), movies.c.id)
        .limit(limit)
    )
    if before is not None:
        rated_at, movie_id = before
        same_time = sa.and_(ratings.c.rated_at == rated_at, movies.c.id > movie_id)
        query = query.where(sa.or_(ratings.c.rated_at < rated_at, same_time))
    rows = connection.execute(query).mappings()
    return [RatedMovie(movie_of(row), row["score"], row["rated_at"]) for row in rows]

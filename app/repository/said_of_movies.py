"""Queries on all that a person says of movies: scores and marks together."""

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.mark import Mark, Marked
from app.movie import Movie
from app.repository.movies import by_ids
from app.storage.personal import marks
from app.storage.schema import ratings


@dataclass(slots=True)
class SaidOfMovie:
    """`rated_at` in epoch seconds. `marks`: those that were taken away too."""

    movie: Movie
    score: float | None = None
    rated_at: int | None = None
    marks: dict[Mark, Marked] = field(default_factory=dict)


def listing(connection: Connection, user_id: int, *, limit: int, after: int = -1) -> list[SaidOfMovie]:
    """The movies that a person rated or marked, by id, from the one after that."""
    columns = [table.c.movie_id for table in (ratings, marks)]
    mine = [
        sa.select(column).where(column.table.c.user_id == user_id, column > after).distinct()
        for column in columns
    ]
    ids = sa.union(*mine).subquery()
    page = connection.execute(sa.select(ids).order_by(ids.c.movie_id).limit(limit)).scalars().all()
    movies = by_ids(connection, page)
    found = {movie_id: SaidOfMovie(movies[movie_id]) for movie_id in page if movie_id in movies}
    rated = sa.select(ratings.c.movie_id, ratings.c.score, ratings.c.rated_at)
    for row in connection.execute(rated.where(ratings.c.user_id == user_id, ratings.c.movie_id.in_(page))):
        if row.movie_id in found:
            found[row.movie_id].score, found[row.movie_id].rated_at = row.score, row.rated_at
    marked = sa.select(marks).where(marks.c.user_id == user_id, marks.c.movie_id.in_(page))
    for row in connection.execute(marked):
        if row.movie_id in found:
            found[row.movie_id].marks[Mark(row.mark)] = Marked(row.is_set, row.marked_at)
    return list(found.values())

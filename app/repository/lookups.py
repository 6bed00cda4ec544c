"""Movies by ids that a caller has: ours, or those of other catalogues."""

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from app.movie import Movie
from app.repository import merged_movies
from app.repository.movies import WHOLE, by_ids, movie_of
from app.storage.schema import links, movies

MOST = 1000
"""Movies that a lookup by an id of another catalogue finds at most; mostly it is one."""


def asked(connection: Connection, ids: Sequence[int]) -> list[Movie]:
    """The movies of `ids` that exist, each once, in that order; for one that was merged, what it is now."""
    into = merged_movies.among(connection, ids)
    wanted = list(dict.fromkeys(into.get(movie_id, movie_id) for movie_id in ids))
    found = by_ids(connection, wanted)
    return [found[movie_id] for movie_id in wanted if movie_id in found]


def linked(connection: Connection, *, imdb_id: int | None, tmdb_id: int | None) -> list[Movie]:
    """The movies with that IMDb id (the number after "tt"), that TMDB id, or both, by id."""
    pairs = ((links.c.imdb_id, imdb_id), (links.c.tmdb_id, tmdb_id))
    wanted = [column == value for column, value in pairs if value is not None]
    rows = connection.execute(WHOLE.where(*wanted).order_by(movies.c.id).limit(MOST))
    return [movie_of(row) for row in rows.mappings()]

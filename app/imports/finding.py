"""Finding the movie of one work in the database, without reading the whole catalogue."""

from sqlalchemy.engine import Connection

from app.imports.matching import Matcher
from app.imports.works import Match, Work
from app.repository import lookups, search

_LOOKED_AT = 200
"""Movies of a title that are compared with a work."""


def find(connection: Connection, work: Work) -> Match:
    """The movie of a work by its ids, else by its title and year.

    The matcher gets the movies that come into question alone, since it reads all that it is given.
    """
    linked = [
        movie
        for ids in ({"imdb_id": work.imdb_id, "tmdb_id": None}, {"imdb_id": None, "tmdb_id": work.tmdb_id})
        if any(value is not None for value in ids.values())
        for movie in lookups.linked(connection, **ids)
    ]
    near = {movie.id: movie for movie in linked}
    if not near:
        for title in work.titles[:2]:
            found = search.search(connection, title, limit=_LOOKED_AT)
            near |= {one.movie.id: one.movie for one in found}
    imdb_ids = {int(one.imdb_id[2:]): one.id for one in near.values() if one.imdb_id is not None}
    tmdb_ids = {one.tmdb_id: one.id for one in near.values() if one.tmdb_id is not None}
    matcher = Matcher([(one.id, one.title, one.year) for one in near.values()], imdb_ids, tmdb_ids)
    return matcher.match(work)

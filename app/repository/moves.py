"""Queries of merges: the ratings of a user or of a movie, and what they were before they were moved."""

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.rating import RatingColumns
from app.repository import imports
from app.storage.schema import rating_before_images, ratings

Source = tuple[str, int]
"""Whose ratings a merge takes: the name of a column, user_id or movie_id, and its value."""


def of_user(connection: Connection, user_id: int, after: int, limit: int) -> RatingColumns:
    """The next ratings of one user after the movie `after`, by movie."""
    mine = sa.select(*imports.RATED).where(ratings.c.user_id == user_id, ratings.c.movie_id > after)
    return imports.in_order(connection, mine.order_by(ratings.c.movie_id).limit(limit))


def raters(connection: Connection, movie_id: int, after: int, limit: int) -> list[int]:
    """The next users after `after` who rated a movie; reads the ratings of others that lie between."""
    theirs = sa.select(ratings.c.user_id).where(ratings.c.movie_id == movie_id, ratings.c.user_id > after)
    return list(connection.execute(theirs.order_by(ratings.c.user_id).limit(limit)).scalars())


def of_movie(connection: Connection, movie_id: int, user_ids: list[int]) -> RatingColumns:
    """The ratings of one movie by these users, by user."""
    users = np.array(user_ids, np.int64)
    found = imports.rated(connection, users, np.full(len(users), movie_id))
    found = found.take((found.movie_id == movie_id) & np.isin(found.user_id, users))
    return found.take(np.argsort(found.user_id))


def take_images(connection: Connection, import_seq: int, source: Source, limit: int) -> RatingColumns:
    """Delete and return up to `limit` of what that number has kept of the source, by user and movie."""
    image, (column, value) = rating_before_images.c, source
    mine = sa.and_(image.import_seq == import_seq, image[column] == value)
    first = sa.select(*imports.IMAGED).where(mine).order_by(image.user_id, image.movie_id).limit(limit)
    found = imports.in_order(connection, first)
    if len(found):
        last = sa.tuple_(sa.literal(int(found.user_id[-1])), sa.literal(int(found.movie_id[-1])))
        key = sa.tuple_(image.user_id, image.movie_id)
        connection.execute(rating_before_images.delete().where(mine, key <= last))
    return found

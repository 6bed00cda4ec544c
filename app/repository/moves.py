"""Queries of merges: the ratings of a user or of a movie, and what they were before they were moved."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.rating import RatingColumns, matches
from app.repository import imports
from app.repository import ratings as rating_queries
from app.repository.count_changes import changes_of
from app.storage.database import database_of
from app.storage.schema import merged_movies, rating_before_images, ratings


class Source(NamedTuple):
    """Whose ratings a merge takes: of a user or movie, and who has them then.

    `column`: user_id or movie_id. Without values: of all movies that an import takes over.
    """

    column: str
    value: int | None = None
    into: int | None = None


def meet(
    connection: Connection, given: RatingColumns, task_seq: int | None, taken: RatingColumns | None = None
) -> tuple[RatingColumns, RatingColumns]:
    """Write ratings, sorted by user and movie, where no newer or equally new one is; delete those `taken`.

    The caller has called `lock_ratings`. Returns what is written and what that has replaced: their counts are
    the caller's. Of what `task_seq` has not written itself is kept what it was, for the undo.
    """
    database = database_of(connection)
    given = replace(given, import_seq=task_seq or 0)
    stored = imports.rated(connection, given.user_id, given.movie_id)
    found, places = matches(stored, given)
    newer = given.rated_at[places] > stored.rated_at[found]
    wins, is_new = np.ones((2, len(given)), np.bool_)
    wins[places[~newer]] = False
    is_new[places] = False
    written, replaced = given.take(wins), stored.take(found[newer])
    gone = [replaced] if taken is None else [replaced, taken]
    if task_seq is None:
        changed = (replaced.import_seqs(), replaced.user_id, replaced.movie_id)
        imports.note_later_writes(connection, zip(*(column.tolist() for column in changed), strict=True))
    else:
        for some in gone:
            others = some.take(some.import_seqs() != task_seq)
            database.put_before_images(connection, others, task_seq)
    if taken is not None:
        database.delete_ratings(connection, taken.user_id, taken.movie_id)
    database.put_ratings(connection, written, is_new[wins])
    rating_queries.note_changes(connection, len(given))
    return written, replaced


def move_movie(
    connection: Connection, from_id: int, into_id: int, user_ids: list[int], task_seq: int
) -> None:
    """Give the ratings of a movie, which is about to be removed, to another. The counts of the first stay."""
    taken = of_movie(connection, from_id, user_ids)
    given = replace(taken, movie_id=np.full(len(taken), into_id))
    written, replaced = meet(connection, given, task_seq, taken)
    imports.change_counts(connection, changes_of([written], [replaced]))
    rating_queries.change_first_raters(connection, "movie_id", from_id, into_id, taken.user_id.tolist())


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
    image = rating_before_images.c
    taken = sa.select(merged_movies.c.movie_id).where(merged_movies.c.task_seq == import_seq)
    theirs = image[source.column].in_(taken) if source.value is None else image[source.column] == source.value
    mine = sa.and_(image.import_seq == import_seq, theirs)
    first = sa.select(*imports.IMAGED).where(mine).order_by(image.user_id, image.movie_id).limit(limit)
    found = imports.in_order(connection, first)
    if len(found):
        last = sa.tuple_(sa.literal(int(found.user_id[-1])), sa.literal(int(found.movie_id[-1])))
        key = sa.tuple_(image.user_id, image.movie_id)
        connection.execute(rating_before_images.delete().where(mine, key <= last))
    return found

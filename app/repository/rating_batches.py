"""Many ratings written at once, each as `ratings.rate` would write it, by statements for all of them."""

from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from app.arrays import Integers
from app.rating import RatingColumns, matches, newest
from app.repository import imports, merged_movies
from app.repository.count_changes import changes_of
from app.repository.imports import Key
from app.repository.ratings import FIRST_RATERS, note_changes
from app.storage.bulk import execute_many
from app.storage.database import database_of
from app.storage.failures import unavailable
from app.storage.schema import first_raters, movies

UNKNOWN = -1
"""In place of a score before: there is no such movie."""


def put(connection: Connection, given: RatingColumns) -> NDArray[np.int8]:
    """Write ratings over whatever is there, of several of one user and movie the last one.

    Those of movies that were merged are written for what these are now. Returns the score that each one
    replaces [n], in half steps, be it of the ratings before it: 0 if there was none, `UNKNOWN` for one that
    is not written. All have the same `rated_at`.
    """
    users = np.unique(given.user_id)
    known = _hold(connection, np.unique(given.movie_id).tolist(), users if len(users) == 1 else None)
    before = np.full(len(given), UNKNOWN, np.int8)
    ids = np.array([known.get(movie_id, (UNKNOWN, 0))[0] for movie_id in given.movie_id.tolist()], np.int64)
    good = np.flatnonzero(ids != UNKNOWN)
    if not len(good):
        return before
    rated_at = np.asarray(given.rated_at)[good]
    ratings = RatingColumns(given.user_id[good], ids[good], given.half_steps[good], rated_at)
    stored = _write(connection, ratings)
    before[good] = _replaced(ratings, stored)
    _note_first_raters(connection, ratings, stored, dict(known.values()))
    return before


def _hold(connection: Connection, ids: list[int], user_id: Integers | None) -> dict[int, tuple[int, int]]:
    """The movies of sorted `ids` that exist, as (id by now, number of ratings), held until the end.

    First the movies, in one order, then the ratings (of a user, or all): as every writer of ratings does that
    holds both.
    """
    merged = merged_movies.among(connection, ids)
    now = {movie_id: merged.get(movie_id, movie_id) for movie_id in ids}
    counts: dict[int, int] = {}
    for some in database_of(connection).batches(sorted(set(now.values()))):
        query = sa.select(movies.c.id, movies.c.rating_count).where(movies.c.id.in_(some))
        rows = connection.execute(query.order_by(movies.c.id).with_for_update()).all()
        counts |= {row.id: row.rating_count for row in rows}
    if merged_movies.among(connection, counts):  # while this transaction waited for the movies
        raise unavailable("A movie has just been merged into another one.")
    database_of(connection).lock_ratings(connection, user_id)
    return {asked: (into, counts[into]) for asked, into in now.items() if into in counts}


def _write(connection: Connection, ratings: RatingColumns) -> RatingColumns:
    """Write the last rating of each user and movie; returns those that they replace."""
    written, _ = newest(ratings)
    between = imports.rated(connection, written.user_id, written.movie_id)
    stored = between.take(matches(between, written)[0])
    changed = (stored.import_seqs(), stored.user_id, stored.movie_id)
    imports.note_later_writes(connection, zip(*(column.tolist() for column in changed), strict=True))
    database_of(connection).put_ratings(connection, written)
    imports.apply_counts(connection, changes_of([written], [stored]))
    note_changes(connection, len(ratings), slot=int(written.user_id[0]))
    return stored


def _replaced(ratings: RatingColumns, stored: RatingColumns) -> NDArray[np.int8]:
    """The score that each rating replaces, in half steps: the stored one, or one before it."""
    scores = dict(zip(_keys(stored), stored.half_steps.tolist(), strict=True))
    before = np.zeros(len(ratings), np.int8)
    for place, (key, score) in enumerate(zip(_keys(ratings), ratings.half_steps.tolist(), strict=True)):
        before[place] = scores.get(key, 0)
        scores[key] = score
    return before


def _keys(ratings: RatingColumns) -> list[Key]:
    return list(zip(ratings.user_id.tolist(), ratings.movie_id.tolist(), strict=True))


def _note_first_raters(
    connection: Connection, ratings: RatingColumns, stored: RatingColumns, counts: dict[int, int]
) -> None:
    """Add the users who are among the first to rate a movie; who rates it again gets a new number."""
    first, counts = _first_raters(connection, sorted(counts)), dict(counts)
    keys, before = _keys(ratings), set(_keys(stored))
    added: dict[Key, None] = {}
    for user_id, movie_id in keys:
        key = (user_id, movie_id)
        if key not in before and key not in added and counts[movie_id] < FIRST_RATERS:
            added[key] = None
        if key not in before:
            before.add(key)
            counts[movie_id] += 1
        elif key in first or key in added:
            added.pop(key, None)
            added[key] = None
    _execute(connection, _FORGET, [key for key in added if key in first])
    _execute(connection, _ADD, list(added))


def _execute(connection: Connection, statement: Any, keys: list[Key]) -> None:
    if keys:
        user_ids, movie_ids = zip(*keys, strict=True)
        execute_many(connection, statement, {"user": list(user_ids), "movie": list(movie_ids)})


_ADD: Any = first_raters.insert().values(user_id=sa.bindparam("user"), movie_id=sa.bindparam("movie"))
_FORGET: Any = first_raters.delete().where(
    first_raters.c.user_id == sa.bindparam("user"), first_raters.c.movie_id == sa.bindparam("movie")
)


def _first_raters(connection: Connection, ids: list[int]) -> set[Key]:
    columns, found = (first_raters.c.user_id, first_raters.c.movie_id), set[Key]()
    for some in database_of(connection).batches(ids):
        rows = connection.execute(sa.select(*columns).where(first_raters.c.movie_id.in_(some)))
        found |= {(user_id, movie_id) for user_id, movie_id in rows.all()}
    return found

"""Queries of imports: ranges of ratings, what they were before, and the pending changes of movie counts."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.bulk import RatingColumns, put_ratings
from app.storage.database import insert_for
from app.storage.schema import (
    catalogue_before_images,
    count_changes,
    counters,
    later_writes,
    movies,
    rating_before_images,
    ratings,
)

__all__ = ["RatingColumns", "put_ratings"]

Key = tuple[int, int]
Rated = tuple[float, int, int | None]
"""Score, time and import of a rating that is there."""

CHANGES = np.dtype([("movie_id", "<i8"), ("count", "<i4"), ("half_steps", "<i4")])
SETTLED_AT_ONCE = 500
"""Movies whose counts are written in one transaction: some milliseconds."""

_RATED = (ratings.c.user_id, ratings.c.movie_id, ratings.c.score, ratings.c.rated_at, ratings.c.import_seq)
_PAIRS = 400
_PAIR = sa.tuple_(ratings.c.user_id, ratings.c.movie_id)

# Built once: for a range of some thousand rows, building them would take longer than running them.
_BETWEEN = (
    sa.select(*_RATED)
    .where(
        ratings.c.user_id.between(sa.bindparam("first"), sa.bindparam("last")),
        _PAIR.between(
            sa.tuple_(sa.bindparam("first"), sa.bindparam("first_movie")),
            sa.tuple_(sa.bindparam("last"), sa.bindparam("last_movie")),
        ),
    )
    .limit(sa.bindparam("most"))
)
_MOVIES_DELETED = sa.select(counters.c.value).where(counters.c.name == "movies_deleted")
_CHANGE_COUNTS = count_changes.insert().values(changes=sa.bindparam("changed"))


def keep_writers_out(connection: Connection) -> None:
    """Until the transaction ends nobody else writes ratings: what it reads of them stays true."""
    if connection.dialect.name == "postgresql":  # on SQLite a writer is alone anyway
        connection.execute(sa.text("LOCK TABLE ratings IN SHARE ROW EXCLUSIVE MODE"))


def rated(connection: Connection, user_id: Sequence[int], movie_id: Sequence[int]) -> dict[Key, Rated]:
    """Those of the pairs of user and movie, sorted, that are rated already, maybe with others between."""
    if not user_id:
        return {}
    most = 4 * len(user_id) + 1000
    ends = {"first": user_id[0], "first_movie": movie_id[0], "last": user_id[-1], "last_movie": movie_id[-1]}
    found: list[Any] = list(connection.execute(_BETWEEN, ends | {"most": most}))
    if len(found) == most:  # too many others: look the pairs up by themselves
        keys = list(zip(user_id, movie_id, strict=True))
        found = [row for at in range(0, len(keys), _PAIRS) for row in _at(connection, keys[at : at + _PAIRS])]
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in found}


def _at(connection: Connection, keys: list[Key]) -> Iterable[Any]:
    """Ratings by key. A join: of a list of pairs in IN, SQLite makes a scan of the whole table."""
    columns = (sa.column("user_id", sa.BigInteger), sa.column("movie_id", sa.BigInteger))
    wanted = sa.values(*columns).data(keys).cte("wanted")
    same = sa.and_(ratings.c.user_id == wanted.c.user_id, ratings.c.movie_id == wanted.c.movie_id)
    return connection.execute(sa.select(*_RATED).select_from(wanted.join(ratings, same)))


def keep_before_images(connection: Connection, import_seq: int, rows: Iterable[tuple[Key, Rated]]) -> None:
    """Note what these ratings were before that import replaced them."""
    values = [
        {
            "import_seq": import_seq,
            "user_id": user_id,
            "movie_id": movie_id,
            "score": score,
            "rated_at": rated_at,
            "before_seq": before_seq,
        }
        for (user_id, movie_id), (score, rated_at, before_seq) in rows
    ]
    if values:
        connection.execute(rating_before_images.insert(), values)


def note_later_write(connection: Connection, import_seq: int, user_id: int, movie_id: int) -> None:
    """Note that a rating which that import wrote is changed or deleted: its undo will keep it so."""
    statement = insert_for(connection.dialect.name)(later_writes)
    values = {"import_seq": import_seq, "user_id": user_id, "movie_id": movie_id}
    connection.execute(statement.values(**values).on_conflict_do_nothing())


def movies_deleted(connection: Connection) -> int:
    """How many movies were ever deleted: as long as it is the same, the known ones are still there."""
    return int(connection.execute(_MOVIES_DELETED).scalar_one())


def change_counts(connection: Connection, changes: npt.NDArray[np.void]) -> None:
    """Note changes (`CHANGES`, a movie once) of movie counts; `settle_counts` makes them.

    A range of ratings touches movies all over the catalogue: making the changes range by range would
    write the whole table of movies over and over.
    """
    if len(changes):
        connection.execute(_CHANGE_COUNTS, {"changed": changes.tobytes()})


def compact_counts(connection: Connection, at_once: int | None = None) -> None:
    """Sum the pending changes up into one row, or into rows of `at_once` movies."""
    rows = connection.execute(count_changes.delete().returning(count_changes.c.changes)).scalars().all()
    changes = total(np.concatenate([np.frombuffer(row, CHANGES) for row in rows])) if rows else _NONE
    for start in range(0, len(changes), at_once or len(changes) or 1):
        change_counts(connection, changes[start : start + (at_once or len(changes))])


_NONE = np.zeros(0, CHANGES)


def total(changes: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """The sum of changes by movie."""
    ids, place = np.unique(changes["movie_id"], return_inverse=True)
    summed = np.zeros(len(ids), CHANGES)
    summed["movie_id"] = ids
    for name in ("count", "half_steps"):
        summed[name] = np.bincount(place, changes[name], len(ids)).astype(np.int64)
    return summed


def pending_counts(connection: Connection) -> int:
    """How many rows of changes are waiting for `settle_counts`."""
    return connection.execute(sa.select(sa.func.count()).select_from(count_changes)).scalar_one()


def settle_counts(connection: Connection) -> None:
    """Make the changes of one waiting row, and forget the row."""
    first = sa.select(sa.func.min(count_changes.c.number)).scalar_subquery()
    statement = count_changes.delete().where(count_changes.c.number == first)
    row = connection.execute(statement.returning(count_changes.c.changes)).scalar()
    if row is None:
        return
    changes = np.frombuffer(row, CHANGES)
    ids = changes["movie_id"].tolist()
    query = sa.select(movies.c.id).where(movies.c.id.in_(ids)).order_by(movies.c.id).with_for_update()
    there = set(connection.execute(query).scalars())
    values = [
        {"movie": movie_id, "more": more, "score": half_steps / 2}
        for movie_id, more, half_steps in changes.tolist()
        if movie_id in there
    ]
    if values:
        connection.execute(_ADD, values)
    if gone := [movie_id for movie_id in ids if movie_id not in there]:
        # They were deleted after their ratings had been written, but before these counted.
        connection.execute(ratings.delete().where(ratings.c.movie_id.in_(gone)))


_ADD: Any = (
    movies.update()
    .where(movies.c.id == sa.bindparam("movie"))
    .values(
        rating_count=movies.c.rating_count + sa.bindparam("more"),
        rating_sum=movies.c.rating_sum + sa.bindparam("score"),
    )
)


def written_by(connection: Connection, import_seq: int, after: Key, limit: int) -> list[Key]:
    """The next ratings behind `after`, by user and movie, that are as that import wrote them."""
    query = sa.select(ratings.c.user_id, ratings.c.movie_id).where(
        ratings.c.user_id >= after[0],
        sa.tuple_(ratings.c.user_id, ratings.c.movie_id) > sa.tuple_(*after),
        ratings.c.import_seq == import_seq,
    )
    rows = connection.execute(query.order_by(ratings.c.user_id, ratings.c.movie_id).limit(limit))
    return [(row[0], row[1]) for row in rows]


def take_before_images(connection: Connection, import_seq: int, first: Key, last: Key) -> dict[Key, Rated]:
    """Take out what that import replaced between two keys."""
    image = rating_before_images.c
    statement = rating_before_images.delete().where(
        image.import_seq == import_seq,
        image.user_id.between(first[0], last[0]),
        sa.tuple_(image.user_id, image.movie_id).between(sa.tuple_(*first), sa.tuple_(*last)),
    )
    columns = (image.user_id, image.movie_id, image.score, image.rated_at, image.before_seq)
    rows = connection.execute(statement.returning(*columns))
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}


def restore_ratings(connection: Connection, images: dict[Key, Rated]) -> None:
    """Put ratings back as they were, with the import that they came from."""
    if images:
        rows = [(*key, round(image[0] * 2), image[1], image[2] or 0) for key, image in sorted(images.items())]
        types = (np.int64, np.int64, np.uint8, np.int64, np.int32)
        columns = map(np.array, zip(*rows, strict=True), types)
        put_ratings(connection, RatingColumns(*columns))


def delete_ratings(connection: Connection, keys: Sequence[Key]) -> None:
    """Delete ratings; the counts are the caller's."""
    if keys:
        where = (ratings.c.user_id == sa.bindparam("user"), ratings.c.movie_id == sa.bindparam("movie"))
        connection.execute(ratings.delete().where(*where), [{"user": u, "movie": m} for u, m in keys])


def later_writes_of(connection: Connection, import_seq: int) -> Iterable[tuple[int, int]]:
    """(user, movie) of the ratings of an import that were changed or deleted since."""
    later = later_writes.c
    query = sa.select(later.user_id, later.movie_id).where(later.import_seq == import_seq)
    rows = connection.execution_options(yield_per=10_000).execute(
        query.order_by(later.user_id, later.movie_id)
    )
    return ((row[0], row[1]) for row in rows)


def forget(connection: Connection, import_seq: int) -> None:
    """Drop what was kept for the undo of an import."""
    for table in (rating_before_images, later_writes, catalogue_before_images):
        connection.execute(table.delete().where(table.c.import_seq == import_seq))

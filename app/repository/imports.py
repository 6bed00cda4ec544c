"""Queries of imports: ranges of ratings, what they were before, and the pending changes of movie counts."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.arrays import Integers
from app.rating import RatingColumns
from app.repository.count_changes import Changes, packed, parts, total, unpacked
from app.storage.bulk import execute_many, has_room, put_before_images, put_ratings
from app.storage.database import batches, insert_for
from app.storage.schema import (
    SCORED,
    catalogue_before_images,
    count_changes,
    counters,
    later_writes,
    movies,
    rating_before_images,
    ratings,
    tasks,
)

__all__ = ["has_room", "put_before_images", "put_ratings"]

Key = tuple[int, int]

SUMMED_AT_ONCE = 300_000
"""Bytes of pending changes that are summed up in one transaction: two milliseconds."""
SETTLED_AT_ONCE = 100
"""Movies whose counts are written in one transaction: a millisecond."""

_RATED = (ratings.c.user_id, ratings.c.movie_id, ratings.c.score, ratings.c.rated_at, ratings.c.import_seq)
_PAIRS = 400


def _by_user(rows: sa.Subquery) -> sa.Select[Any]:
    """One row a user, their ratings as strings: three times as fast as a row a rating. In no order."""
    columns = (
        rows.c.movie_id,
        sa.cast(rows.c.score * 2, sa.Integer),
        rows.c.rated_at,
        sa.func.coalesce(rows.c.import_seq, 0),
    )
    texts = [sa.func.aggregate_strings(sa.cast(column, sa.Text), ",") for column in columns]
    return sa.select(rows.c.user_id, sa.func.count(), *texts).group_by(rows.c.user_id)


def _columns(rows: Sequence[Any]) -> RatingColumns:
    if not rows:
        return RatingColumns(*(np.empty(0, kind) for kind in _TYPES))
    user_id, counts, *texts = zip(*rows, strict=True)
    columns = [np.fromstring(",".join(text), np.int64, sep=",") for text in texts]
    columns = [np.repeat(np.array(user_id, np.int64), counts), *columns]
    return RatingColumns(*(column.astype(kind) for column, kind in zip(columns, _TYPES, strict=True)))


_TYPES: tuple[Any, ...] = (np.int64, np.int64, np.uint8, np.int64, np.int32)

# Built once: for a range of some thousand rows, building them would take longer than running them.
_FIRST, _LAST = (
    sa.tuple_(sa.bindparam(f"{end}_user"), sa.bindparam(f"{end}_movie")) for end in ("first", "last")
)
_RATED_BETWEEN = _by_user(
    sa.select(*_RATED)
    .where(
        ratings.c.user_id.between(sa.bindparam("first_user"), sa.bindparam("last_user")),
        sa.tuple_(ratings.c.user_id, ratings.c.movie_id).between(_FIRST, _LAST),
    )
    .limit(sa.bindparam("most"))
    .subquery()
)
_IMAGE = rating_before_images.c
_IMAGES_BETWEEN = (
    _IMAGE.import_seq == sa.bindparam("seq"),
    _IMAGE.user_id.between(sa.bindparam("first_user"), sa.bindparam("last_user")),
    sa.tuple_(_IMAGE.user_id, _IMAGE.movie_id).between(_FIRST, _LAST),
)
_MOVIES_DELETED = sa.select(counters.c.value).where(counters.c.name == "movies_deleted")
_CHANGE_COUNTS = count_changes.insert().values(changes=sa.bindparam("changed"))


def keep_writers_out(connection: Connection) -> None:
    """Until the transaction ends nobody else writes ratings: what it reads of them stays true."""
    if connection.dialect.name == "postgresql":  # on SQLite a writer is alone anyway
        connection.execute(sa.text("LOCK TABLE ratings IN SHARE ROW EXCLUSIVE MODE"))


def rated(connection: Connection, user_id: Integers, movie_id: Integers) -> RatingColumns:
    """Those of the pairs of user and movie, sorted, that are rated already, maybe with others between."""
    if not len(user_id):
        return _columns([])
    most = 4 * len(user_id) + 1000
    first, last = (int(user_id[0]), int(movie_id[0])), (int(user_id[-1]), int(movie_id[-1]))
    found = connection.execute(_RATED_BETWEEN, _ends(first, last) | {"most": most}).all()
    if sum(row[1] for row in found) == most:  # too many others: look the pairs up by themselves
        keys = list(zip(user_id.tolist(), movie_id.tolist(), strict=True))
        found = [row for at in range(0, len(keys), _PAIRS) for row in _at(connection, keys[at : at + _PAIRS])]
    return _columns(found)


def _ends(first: Key, last: Key) -> dict[str, int]:
    return {"first_user": first[0], "first_movie": first[1], "last_user": last[0], "last_movie": last[1]}


def _at(connection: Connection, keys: list[Key]) -> Iterable[Any]:
    """Ratings by key. A join: of a list of pairs in IN, SQLite makes a scan of the whole table."""
    columns = (sa.column("user_id", sa.BigInteger), sa.column("movie_id", sa.BigInteger))
    wanted = sa.values(*columns).data(keys).cte("wanted")
    same = sa.and_(ratings.c.user_id == wanted.c.user_id, ratings.c.movie_id == wanted.c.movie_id)
    return connection.execute(_by_user(sa.select(*_RATED).select_from(wanted.join(ratings, same)).subquery()))


def note_later_write(connection: Connection, import_seq: int, user_id: int, movie_id: int) -> None:
    """Note that a rating which that import wrote is changed or deleted: its undo will keep it so.

    Nothing is noted for an import that is forgotten.
    """
    values = {"seq": import_seq, "user": user_id, "movie": movie_id}
    connection.execute(_note_later_write(connection.dialect.name), values)


@functools.cache
def _note_later_write(dialect: str) -> Any:
    pair = (sa.bindparam("user", type_=sa.BigInteger), sa.bindparam("movie", type_=sa.BigInteger))
    # The lock: a retention that forgets the task waits for this note, and takes it along.
    kept = sa.select(tasks.c.seq, *pair).where(tasks.c.seq == sa.bindparam("seq"))
    kept = kept.with_for_update(read=True, key_share=True)
    columns = ["import_seq", "user_id", "movie_id"]
    return insert_for(dialect)(later_writes).from_select(columns, kept).on_conflict_do_nothing()


def movies_deleted(connection: Connection) -> int:
    """How many movies were ever deleted: as long as it is the same, the known ones are still there."""
    return int(connection.execute(_MOVIES_DELETED).scalar_one())


def change_counts(connection: Connection, changes: Changes) -> None:
    """Note changes of movie counts; `settle_counts` makes them.

    A range of ratings touches movies all over the catalogue: making the changes range by range would
    write the whole table of movies over and over.
    """
    if len(changes.movie_id):
        connection.execute(_CHANGE_COUNTS, {"changed": packed(changes)})


def compact_counts(connection: Connection, at_once: int | None = None) -> None:
    """Sum the oldest pending rows up, two at least, into a new one, or into rows of `at_once` movies."""
    sizes = connection.execute(_OLDEST).all()
    read = np.cumsum([row.size for row in sizes])
    last = max(1, int(np.searchsorted(read, SUMMED_AT_ONCE, side="right")) - 1)
    newest = sizes[: last + 1][-1].number if sizes else 0
    rows = connection.execute(_TAKE_OLDEST, {"newest": newest}).scalars().all()
    summed = total([unpacked(row) for row in rows])
    for part in parts(summed, at_once or len(summed.movie_id) or 1):
        change_counts(connection, part)


_OLDEST = (
    sa.select(count_changes.c.number, sa.func.length(count_changes.c.changes).label("size"))
    .order_by(count_changes.c.number)
    .limit(100)
)
_TAKE_OLDEST = (
    count_changes.delete()
    .where(count_changes.c.number <= sa.bindparam("newest"))
    .returning(count_changes.c.changes)
)


def pending_counts(connection: Connection) -> int:
    """How many rows of changes are waiting for `settle_counts`: none, one or two, which stand for several."""
    some = sa.select(count_changes.c.number).limit(2).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def settle_counts(connection: Connection) -> None:
    """Make the changes of one waiting row, and forget the row."""
    row = connection.execute(_TAKE_FIRST).scalar()
    if row is None:
        return
    changes = unpacked(row)  # sorted by movie, so that nobody waits for us who has what we want
    names = ("movie", "more", "score", *(column.name for column in SCORED.values()))
    values = (changes.movie_id, changes.ratings, changes.half_steps / 2, *changes.scored.T)
    columns = dict(zip(names, (column.tolist() for column in values), strict=True))
    if execute_many(connection, _ADD, columns) < len(changes.movie_id):
        # Some were deleted after their ratings had been written, but before these counted.
        ids = changes.movie_id.tolist()
        there = {
            movie_id
            for some in batches(ids)
            for movie_id in connection.execute(sa.select(movies.c.id).where(movies.c.id.in_(some))).scalars()
        }
        for gone in batches(movie_id for movie_id in ids if movie_id not in there):
            connection.execute(ratings.delete().where(ratings.c.movie_id.in_(gone)))
    connection.execute(_NOTE_SETTLED)


_FIRST_WAITING = sa.select(sa.func.min(count_changes.c.number)).scalar_subquery()
_TAKE_FIRST = (
    count_changes.delete().where(count_changes.c.number == _FIRST_WAITING).returning(count_changes.c.changes)
)
_ADD: Any = (
    movies.update()
    .where(movies.c.id == sa.bindparam("movie"))
    .values(
        rating_count=movies.c.rating_count + sa.bindparam("more"),
        rating_sum=movies.c.rating_sum + sa.bindparam("score"),
        **{column.name: column + sa.bindparam(column.name) for column in SCORED.values()},
    )
)
_NOTE_SETTLED = (
    counters.update().where(counters.c.name == "counts_settled").values(value=counters.c.value + 1)
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


def take_before_images(connection: Connection, import_seq: int, first: Key, last: Key) -> RatingColumns:
    """Take out what that import replaced between two keys, in no order."""
    ends = _ends(first, last) | {"seq": import_seq}
    images = sa.select(
        _IMAGE.user_id, _IMAGE.movie_id, _IMAGE.score, _IMAGE.rated_at, _IMAGE.before_seq.label("import_seq")
    )
    found = _columns(connection.execute(_by_user(images.where(*_IMAGES_BETWEEN).subquery()), ends).all())
    connection.execute(rating_before_images.delete().where(*_IMAGES_BETWEEN), ends)
    return found


def delete_ratings(connection: Connection, user_id: Integers, movie_id: Integers) -> None:
    """Delete ratings; the counts are the caller's."""
    keys = zip(user_id.tolist(), movie_id.tolist(), strict=True)
    if values := [{"user": user, "movie": movie} for user, movie in keys]:
        connection.execute(_DELETE, values)


_DELETE: Any = ratings.delete().where(
    ratings.c.user_id == sa.bindparam("user"), ratings.c.movie_id == sa.bindparam("movie")
)


def later_writes_of(connection: Connection, import_seq: int) -> Iterable[tuple[int, int]]:
    """(user, movie) of the ratings of an import that were changed or deleted since."""
    later = later_writes.c
    query = sa.select(later.user_id, later.movie_id).where(later.import_seq == import_seq)
    rows = connection.execution_options(yield_per=10_000).execute(
        query.order_by(later.user_id, later.movie_id)
    )
    return ((row[0], row[1]) for row in rows)


def forget(connection: Connection, import_seq: int, limit: int | None = None) -> bool:
    """Drop what was kept for the undo of an import, at most so many rows of a table; whether that was all."""
    done = True
    for table in (rating_before_images, later_writes, catalogue_before_images):
        mine = table.c.import_seq == import_seq
        _, *key = table.primary_key
        if limit is not None:
            found = sa.select(*key).where(mine).order_by(*key).offset(limit - 1).limit(1)
            if last := connection.execute(found).first():
                mine = sa.and_(mine, sa.tuple_(*key) <= sa.tuple_(*last))
                done = False
        connection.execute(table.delete().where(mine))
    return done

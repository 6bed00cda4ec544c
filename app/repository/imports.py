"""Queries of imports: ranges of ratings, what they were before, and the pending changes of movie counts.

A range is some thousand ratings, sorted by user and movie, that are written in one transaction. Values go
in and out by the column, never by the row: in as the image of a table (`Database.put_ratings`), out as
texts (`_by_user`).
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.arrays import Integers
from app.rating import RatingColumns, order
from app.repository import counters
from app.repository import movies as movie_queries
from app.repository.count_changes import Changes, packed, parts, total, unpacked
from app.storage import Database, database_of
from app.storage.personal import personal_before_images
from app.storage.prepared import Prepared
from app.storage.schema import (
    catalogue_before_images,
    count_changes,
    later_writes,
    rating_before_images,
    ratings,
    tasks,
)

Key = tuple[int, int]
"""User and movie of a rating."""
SUMMED_AT_ONCE = 300_000
"""Bytes of pending changes that are summed up in one transaction: two milliseconds."""
SETTLED_AT_ONCE, SETTLED_ALONE = 100, 1_600
"""Movies whose counts are written at once, in a millisecond; and where no other writer was seen lately."""

_TYPES: tuple[Any, ...] = (np.int64, np.int64, np.uint8, np.int64, np.int32)
RATED = (ratings.c.user_id, ratings.c.movie_id, ratings.c.score, ratings.c.rated_at, ratings.c.import_seq)


def _by_user(rows: sa.Subquery) -> sa.Select[Any]:
    """The ratings of `rows` as one row a user: how many, and a text for each other column; in no order.

    The texts hold the numbers of the column, joined by commas, in the same order in each text. A row a
    rating would take three times as long, since every value of it becomes a Python object.
    """
    columns = (
        rows.c.movie_id,
        sa.cast(rows.c.score * 2, sa.Integer),
        rows.c.rated_at,
        sa.func.coalesce(rows.c.import_seq, 0),
    )
    texts = [sa.func.aggregate_strings(sa.cast(column, sa.Text), ",") for column in columns]
    return sa.select(rows.c.user_id, sa.func.count(), *texts).group_by(rows.c.user_id)


def _columns(rows: Sequence[Any]) -> RatingColumns:
    """The result of a `_by_user`: the texts of all users are joined, and parsed at once."""
    if not rows:
        return RatingColumns(*(np.empty(0, kind) for kind in _TYPES))
    user_id, counts, *texts = zip(*rows, strict=True)
    columns = [np.fromstring(",".join(text), np.int64, sep=",") for text in texts]
    columns = [np.repeat(np.array(user_id, np.int64), counts), *columns]
    return RatingColumns(*(column.astype(kind) for column, kind in zip(columns, _TYPES, strict=True)))


def _between(columns: Any) -> tuple[sa.ColumnElement[bool], ...]:
    """The rows between two keys. The first condition leads the engine into the key, the second is exact."""
    first, last = (
        sa.tuple_(sa.bindparam(f"{end}_user"), sa.bindparam(f"{end}_movie")) for end in ("first", "last")
    )
    users = columns.user_id.between(sa.bindparam("first_user"), sa.bindparam("last_user"))
    return users, sa.tuple_(columns.user_id, columns.movie_id).between(first, last)


# Built once: for a range of some thousand rows, building them would take longer than running them.
_RATED_BETWEEN = _by_user(
    sa.select(*RATED).where(*_between(ratings.c)).limit(sa.bindparam("most")).subquery()
)
_IMAGE = rating_before_images.c
_IMAGES_BETWEEN = (_IMAGE.import_seq == sa.bindparam("seq"), *_between(_IMAGE))
_BEFORE_SEQ = _IMAGE.before_seq.label("import_seq")
IMAGED = (_IMAGE.user_id, _IMAGE.movie_id, _IMAGE.score, _IMAGE.rated_at, _BEFORE_SEQ)
_IMAGES = _by_user(sa.select(*IMAGED).where(*_IMAGES_BETWEEN).subquery())
_FORGET_IMAGES = rating_before_images.delete().where(*_IMAGES_BETWEEN)
_MOVIES_DELETED = counters.value("movies_deleted")
_CHANGE_COUNTS = count_changes.insert().values(changes=sa.bindparam("changed"))


def rated(connection: Connection, user_id: Integers, movie_id: Integers) -> RatingColumns:
    """The ratings that exist for pairs sorted by user and movie; others that lie between may come too.

    Most ranges are dense: what lies between their first and last pair is mostly of these pairs, and one scan
    of the key reads it. A file with few ratings of many users is not, so the scan ends at a limit, a
    multiple of the pairs; if it gets there, its result is dropped and each pair is looked up.
    """
    if not len(user_id):
        return _columns([])
    most = 4 * len(user_id) + 1000
    first, last = (int(user_id[0]), int(movie_id[0])), (int(user_id[-1]), int(movie_id[-1]))
    found = connection.execute(_RATED_BETWEEN, _ends(first, last) | {"most": most}).all()
    if sum(row[1] for row in found) == most:
        database = database_of(connection)
        pairs = database.pairs_of(user_id, movie_id)
        found = connection.execute(_rated_at(type(database)), pairs).all()
    return _columns(found)


def in_order(connection: Connection, rows: sa.Select[Any]) -> RatingColumns:
    """The ratings that a query of `RATED` or `IMAGED` selects, by user and movie."""
    found = _columns(connection.execute(_by_user(rows.subquery())).all())
    return found.take(order(found.user_id, found.movie_id))


def _ends(first: Key, last: Key) -> dict[str, int]:
    return {"first_user": first[0], "first_movie": first[1], "last_user": last[0], "last_movie": last[1]}


@functools.cache
def _rated_at(engine: type[Database]) -> sa.Select[Any]:
    """Ratings by key. By a join, since SQLite scans the whole table for an IN of pairs."""
    given = engine.pairs()
    same = sa.and_(ratings.c.user_id == given.c.user_id, ratings.c.movie_id == given.c.movie_id)
    return _by_user(sa.select(*RATED).select_from(given.join(ratings, same)).subquery())


def note_later_writes(connection: Connection, changed: Iterable[tuple[int, int, int]]) -> None:
    """Note of ratings (import, user, movie; import 0: none) that are changed or deleted: an undo keeps that.

    Nothing is noted for an import whose task is deleted.
    """
    if values := [{"seq": seq, "user": user, "movie": movie} for seq, user, movie in changed if seq]:
        connection.execute(_note_later_write(type(database_of(connection))), values)


def note_later_write(connection: Connection, seq: int, user_id: int, movie_id: int) -> None:
    """`note_later_writes`, of one rating that an import wrote."""
    _NOTE_LATER_WRITE.run(connection, seq=seq, user=user_id, movie=movie_id)


@functools.cache
def _note_later_write(engine: type[Database]) -> Any:
    pair = (sa.bindparam("user", type_=sa.BigInteger), sa.bindparam("movie", type_=sa.BigInteger))
    # Under a lock on the task: a retention that is about to delete it waits, and then deletes the note too.
    kept = sa.select(tasks.c.seq, *pair).where(tasks.c.seq == sa.bindparam("seq"))
    kept = kept.with_for_update(read=True, key_share=True)
    columns = ["import_seq", "user_id", "movie_id"]
    return engine.insert(later_writes).from_select(columns, kept).on_conflict_do_nothing()


_NOTE_LATER_WRITE = Prepared(_note_later_write)


def movies_deleted(connection: Connection) -> int:
    """How many movies were ever deleted: while that stays the same, every known movie is still there."""
    return int(connection.execute(_MOVIES_DELETED).scalar_one())


def change_counts(connection: Connection, changes: Changes) -> None:
    """Queue changes of movie counts as one row, which `settle_counts` applies later.

    A range of ratings touches movies all over the catalogue: applied range by range, the changes would
    write the whole table of movies over and over. The rows are summed up first (`compact_counts`).
    """
    if len(changes.movie_id):
        connection.execute(_CHANGE_COUNTS, {"changed": packed(changes)})


def compact_counts(connection: Connection, at_once: int | None = None) -> None:
    """Replace the oldest pending rows, two at least, by their sum: one row, or rows of `at_once` movies.

    It takes as many rows as `SUMMED_AT_ONCE` allows, by their sizes; repeated until one row is left, it has
    summed up everything. `at_once` then splits that row into parts for `settle_counts`.
    """
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
    """How many rows of changes are pending: 0, 1, or 2 for any higher number."""
    some = sa.select(count_changes.c.number).limit(2).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def settle_counts(connection: Connection) -> None:
    """Apply the oldest pending row of changes, and delete the row.

    Where a movie was deleted between the import of its ratings and now, the ratings are deleted here.
    """
    row = connection.execute(_TAKE_FIRST).scalar()
    if row is None:
        return
    apply_counts(connection, unpacked(row))
    counters.add(connection, "counts_settled")


def apply_counts(connection: Connection, changes: Changes) -> None:
    """Apply changes of movie counts at once."""
    database = database_of(connection)
    # Sorted by movie: transactions that lock rows in one order do not deadlock.
    if database.add_counts(connection, changes.movie_id, changes.scored) < len(changes.movie_id):
        gone = changes.movie_id[~movie_queries.exist(connection, changes.movie_id)]
        database.join_ratings(connection)
        for batch in database.batches(gone.tolist()):
            connection.execute(ratings.delete().where(ratings.c.movie_id.in_(batch)))


_FIRST_WAITING = sa.select(sa.func.min(count_changes.c.number)).scalar_subquery()
_TAKE_FIRST = (
    count_changes.delete().where(count_changes.c.number == _FIRST_WAITING).returning(count_changes.c.changes)
)


def written_by(connection: Connection, import_seq: int, after: Key, limit: int) -> list[Key]:
    """The next ratings after `after`, by user and movie, that are as that import wrote them."""
    query = sa.select(ratings.c.user_id, ratings.c.movie_id).where(
        ratings.c.user_id >= after[0],
        sa.tuple_(ratings.c.user_id, ratings.c.movie_id) > sa.tuple_(*after),
        ratings.c.import_seq == import_seq,
    )
    rows = connection.execute(query.order_by(ratings.c.user_id, ratings.c.movie_id).limit(limit))
    return [(row[0], row[1]) for row in rows]


def take_before_images(connection: Connection, import_seq: int, first: Key, last: Key) -> RatingColumns:
    """Delete and return what that import replaced between two keys, in no order."""
    ends = _ends(first, last) | {"seq": import_seq}
    found = _columns(connection.execute(_IMAGES, ends).all())
    connection.execute(_FORGET_IMAGES, ends)
    return found


def later_writes_of(connection: Connection, import_seq: int) -> Iterable[tuple[int, int]]:
    """(user, movie) of the ratings of an import that were changed or deleted after it, streamed."""
    later = later_writes.c
    query = sa.select(later.user_id, later.movie_id).order_by(later.user_id, later.movie_id)
    query = query.where(later.import_seq == import_seq)
    rows = connection.execution_options(yield_per=10_000).execute(query)
    return ((row[0], row[1]) for row in rows)


def forget(connection: Connection, import_seq: int, limit: int | None = None) -> bool:
    """Delete what was kept for an import's undo, up to `limit` rows a table; returns whether that was all."""
    done = True
    for table in (rating_before_images, later_writes, catalogue_before_images, personal_before_images):
        mine = table.c.import_seq == import_seq
        _, *key = table.primary_key
        if limit is not None:
            found = sa.select(*key).where(mine).order_by(*key).offset(limit - 1).limit(1)
            if last := connection.execute(found).first():
                mine = sa.and_(mine, sa.tuple_(*key) <= sa.tuple_(*last))
                done = False
        connection.execute(table.delete().where(mine))
    return done

"""Ratings in bulk into PostgreSQL, in its binary forms: no value becomes a Python object or a text.

New rows go in by COPY (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"); rows over
others, and deletes, by one statement that takes each column as an array. Out they come by COPY, a row a user.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import psycopg
from numpy.typing import ArrayLike, NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy.engine import Connection

from app.arrays import Integers
from app.rating import RatingColumns, order
from app.storage.failures import unavailable
from app.storage.ratings_in_bulk import RatingsOfUsers, counts_of
from app.storage.schema import SCORED, movies

_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_INT8, _FLOAT8, _INT8S, _FLOAT8S = 20, 701, 1016, 1022
"""Numbers of types of the server (its catalogue pg_type, where they are fixed)."""
_WIDTH, _SCORE = 8, 2
"""Bytes of every value, and which column of a row is no integer."""
_COPY = "COPY ratings (user_id, movie_id, score, rated_at, import_seq) FROM STDIN (FORMAT BINARY)"
_COPY_IMAGES = (
    "COPY rating_before_images (user_id, movie_id, score, rated_at, before_seq, import_seq) "
    "FROM STDIN (FORMAT BINARY)"
)
_PUT = (
    "INSERT INTO ratings (user_id, movie_id, score, rated_at, import_seq) "
    "SELECT u, m, s, t, nullif(i, 0) FROM unnest(%b, %b, %b, %b, %b) AS given (u, m, s, t, i) "
    "ON CONFLICT (user_id, movie_id) DO UPDATE SET score = excluded.score, rated_at = excluded.rated_at, "
    "import_seq = excluded.import_seq"
)
_DELETE = (
    "DELETE FROM ratings USING unnest(%b, %b) AS given (u, m) WHERE user_id = given.u AND movie_id = given.m"
)

_READ = """
    COPY (
        SELECT user_id, string_agg(int8send(movie_id), ''::bytea ORDER BY movie_id),
            string_agg(int2send((score * 2)::int2), ''::bytea ORDER BY movie_id)
        FROM ratings WHERE user_id BETWEEN {first} AND {last} GROUP BY user_id ORDER BY user_id
    ) TO STDOUT (FORMAT BINARY)
"""
_COUNTS = [column.name for column in (movies.c.rating_count, movies.c.rating_sum, *SCORED.values())]
_HOLD = "SELECT id FROM movies WHERE id = ANY (%b) ORDER BY id FOR NO KEY UPDATE"
_SUMS = ", ".join(f"{name} = movies.{name} + given.{name}" for name in _COUNTS)
_GIVEN = f"unnest({', '.join(['%b'] * (len(_COUNTS) + 1))}) AS given (id, {', '.join(_COUNTS)})"
_ADD = f"UPDATE movies SET {_SUMS} FROM {_GIVEN} WHERE movies.id = given.id"  # noqa: S608


class _Longs:
    """An array of bigint as a parameter."""

    element, kind = _INT8, ">i8"

    def __init__(self, values: ArrayLike) -> None:
        self.values = np.asarray(values)


class _Doubles(_Longs):
    """An array of double precision as a parameter."""

    element, kind = _FLOAT8, ">f8"


class _LongsDumper(Dumper):
    """Dimensions, no nulls, type and number of the elements, first index; then size and value of each."""

    format, oid = Format.BINARY, _INT8S

    def dump(self, obj: _Longs) -> bytes:
        elements = np.empty(len(obj.values), np.dtype([("size", ">i4"), ("value", obj.kind)]))
        elements["size"], elements["value"] = _WIDTH, obj.values
        return np.array([1, 0, obj.element, len(elements), 1], ">i4").tobytes() + elements.tobytes()


class _DoublesDumper(_LongsDumper):
    oid = _FLOAT8S


psycopg.adapters.register_dumper(_Longs, _LongsDumper)
psycopg.adapters.register_dumper(_Doubles, _DoublesDumper)


def copy(connection: Connection, ratings: RatingColumns) -> None:
    """Write ratings for which there are none."""
    _copy(connection, _COPY, ratings)


def put(connection: Connection, ratings: RatingColumns) -> None:
    """Write ratings over whatever is there, the last of those of the same user and movie."""
    if len(ratings):
        ratings = _last(ratings)
        users, movies, times = _Longs(ratings.user_id), _Longs(ratings.movie_id), _Longs(ratings.rated_at)
        given = (users, movies, _Doubles(ratings.half_steps / 2), times, _Longs(ratings.import_seqs()))
        _driver(connection).execute(_PUT, given)


def copy_images(connection: Connection, ratings: RatingColumns, import_seq: int) -> None:
    """Write before-images of an import that has none of these ratings yet."""
    _copy(connection, _COPY_IMAGES, ratings, import_seq)


def delete(connection: Connection, user_id: Integers, movie_id: Integers) -> None:
    """Delete ratings, those that there are."""
    if len(user_id):
        _driver(connection).execute(_DELETE, (_Longs(user_id), _Longs(movie_id)))


def add_counts(connection: Connection, movie_id: Integers, scored: NDArray[np.int32]) -> int:
    """See `RatingsInBulk.add_counts`."""
    if not len(movie_id):
        return 0
    ids, more, sums, *scores = counts_of(movie_id, scored)
    driver = _driver(connection)
    driver.execute(_HOLD, [_Longs(ids)]).fetchall()  # in one order, as everybody
    given = [_Longs(ids), _Longs(more), _Doubles(sums), *map(_Longs, scores)]
    return int(driver.execute(_ADD, given).rowcount)


def read(connection: Connection, users: int, first: int, last: int) -> Iterator[RatingsOfUsers]:
    """See `RatingsInBulk.ratings_of_users`."""
    query = _READ.format(first=first, last=last)  # a COPY takes no parameters
    with _driver(connection).cursor() as cursor, cursor.copy(query) as out:
        out.set_types(["int8", "bytea", "bytea"])
        rows = out.rows()
        while some := list(islice(rows, users)):
            user_ids, movie_ids, half_steps = zip(*some, strict=True)
            yield RatingsOfUsers(
                np.array(user_ids, np.int64),
                np.array([len(ids) // _WIDTH for ids in movie_ids], np.int64),
                np.frombuffer(b"".join(movie_ids), ">i8").astype(np.int64),
                np.frombuffer(b"".join(half_steps), ">i2").astype(np.uint8),
            )


def _last(ratings: RatingColumns) -> RatingColumns:
    """Sorted by user and movie, the last of each: one statement does not write a row twice."""
    ratings = ratings.take(order(ratings.user_id, ratings.movie_id))
    user, movie = ratings.user_id, ratings.movie_id
    return ratings.take(np.append((user[1:] != user[:-1]) | (movie[1:] != movie[:-1]), True))


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _copy(connection: Connection, statement: str, ratings: RatingColumns, *last: int) -> None:
    """COPY of the five columns, and of `last` in every row. `import_seq` 0 is a null."""
    if not len(ratings):
        return
    is_null = ratings.import_seqs() == 0
    try:
        with _driver(connection).cursor() as cursor, cursor.copy(statement) as into:
            into.write(_HEADER)
            for rows, seq in ((is_null, False), (~is_null, True)):
                if rows.any():
                    into.write(_tuples(ratings.take(rows), seq, last).tobytes())
            into.write(_TRAILER)
    except psycopg.errors.UniqueViolation as error:  # without the lock
        raise unavailable("Another program has written the same ratings meanwhile.") from error


def _tuples(ratings: RatingColumns, has_seq: bool, last: tuple[int, ...]) -> NDArray[Any]:
    """Rows as COPY takes them: how many fields, then size and value of each; a null has the size -1 alone."""
    seqs = ratings.import_seqs() if has_seq else None
    columns = (ratings.user_id, ratings.movie_id, ratings.half_steps / 2, ratings.rated_at, seqs, *last)
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for n, values in enumerate(columns):
        fields.append((f"size{n}", ">i4"))
        if values is not None:
            fields.append((f"value{n}", ">f8" if n == _SCORE else ">i8"))
    rows = np.empty(len(ratings), fields)
    rows["fields"] = len(columns)
    for n, values in enumerate(columns):
        rows[f"size{n}"] = -1 if values is None else _WIDTH
        if values is not None:
            rows[f"value{n}"] = values
    return rows

"""Queries on ratings. Every write keeps the counts and sums of `movies` right in the same transaction."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from app.errors import NotFound
from app.movie import Movie
from app.rating import STEP, Profile, Rating
from app.repository import counters as counter_queries
from app.repository import merged_movies
from app.repository import movies as movie_queries
from app.repository.imports import note_later_write
from app.storage.database import Database, database_of
from app.storage.prepared import Prepared
from app.storage.ratings_in_bulk import MOST
from app.storage.schema import SCORED, counters, first_raters, movies, ratings

_COLUMNS = (ratings.c.user_id, ratings.c.movie_id, ratings.c.score, ratings.c.rated_at)


def _pair(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.user_id == sa.bindparam("user"), table.c.movie_id == sa.bindparam("movie")


Stored = tuple[float, int | None]
"""A score, and the number of the import that wrote it."""
CHANGE_SLOTS = 16
"""Counters of changed ratings: on PostgreSQL writers would queue for the row of a single one."""
FIRST_RATERS = 20
"""Raters of a movie that are kept, to fold it in before the next rebuild."""
LAST_FIRST_RATER = sa.select(sa.func.coalesce(sa.func.max(first_raters.c.number), 0))


def put(connection: Connection, rating: Rating) -> bool:
    """`rate`; returns whether there was none."""
    return rate(connection, rating)[1]


def rate(connection: Connection, rating: Rating) -> tuple[Rating, bool]:
    """Write a rating over whatever is there: of the movie that this one was merged into, if it was.

    Returns what is written, and whether there was none. Raises `NotFound`.
    """
    user_id = rating.user_id
    with database_of(connection).together(connection):
        movie, stored = _hold(connection, user_id, rating.movie_id)
        old = _noted(connection, user_id, movie.id, stored)
        rating = replace(rating, movie_id=movie.id)
        values = {"score": rating.score, "rated_at": rating.rated_at, "import_seq": None}
        _PUT.run(connection, user_id=user_id, movie_id=movie.id, **values)
        _count(connection, movie.id, old, rating.score)
        if old is None and movie.rating_count < FIRST_RATERS:
            _ADD_FIRST_RATER.run(connection, user_id=user_id, movie_id=movie.id)
        renewed = None if old is None else _DELETE_FIRST_RATER.run(connection, user=user_id, movie=movie.id)
    _end(connection, user_id, movie.id, renewed)
    return rating, old is None


def _hold(connection: Connection, user_id: int, movie_id: int) -> tuple[Movie, Stored | None]:
    """Hold a movie, for one writer of a rating at a time, and the user's ratings, which no import may write.

    Returns what the movie is now, and what is stored. All of it is asked at once: hardly a movie was merged.
    """
    while True:
        movie = movie_queries.ask_held(connection, movie_id)
        into = merged_movies.ask(connection, movie_id)
        database_of(connection).join_ratings(connection, user_id)
        stored = _STORED.run(connection, user=user_id, movie=movie_id)
        if (now := into()) is None:
            return movie(), stored.fetchone()
        movie_id = now


def _end(connection: Connection, user_id: int, movie_id: int, renewed: Any) -> None:
    """Count a change. `renewed`: the cursor that deleted a first rater whose score has changed, if it did:
    they get a new number, so that the movie is folded in again.
    """
    if renewed and renewed.rowcount:
        _ADD_FIRST_RATER.run(connection, user_id=user_id, movie_id=movie_id)
    note_changes(connection, 1, slot=user_id)  # last: others of the slot wait for the end


_PUT = Prepared(lambda kind: kind.upsert(ratings, "score", "rated_at", "import_seq"))


def delete(connection: Connection, user_id: int, movie_id: int) -> None:
    """Delete a rating. Raises `NotFound`."""
    database, movie_id = database_of(connection), _rated_as(connection, user_id, movie_id)
    with database.together(connection):
        movie = movie_queries.ask_held(connection, movie_id)
        database.join_ratings(connection, user_id)
        stored = _STORED.run(connection, user=user_id, movie=movie_id)
        movie()
        if (old := _noted(connection, user_id, movie_id, stored.fetchone())) is None:
            raise _not_rated(user_id, movie_id)
        _DELETE.run(connection, user=user_id, movie=movie_id)
        _count(connection, movie_id, old, None)
        renewed = _DELETE_FIRST_RATER.run(connection, user=user_id, movie=movie_id)
    _end(connection, user_id, movie_id, renewed)


_DELETE = Prepared(ratings.delete().where(*_pair(ratings)))


def get(connection: Connection, user_id: int, movie_id: int) -> Rating:
    """One rating. Raises `NotFound`."""
    movie_id = _rated_as(connection, user_id, movie_id)
    row = connection.execute(_of(user_id, movie_id, *_COLUMNS)).first()
    if row is None:
        movie_queries.get(connection, movie_id)
        raise _not_rated(user_id, movie_id)
    return Rating(*row)


def _rated_as(connection: Connection, user_id: int, movie_id: int) -> int:
    """Under which id the user has rated a movie: while a merge is under way it may still be the old one."""
    if connection.execute(_of(user_id, movie_id, ratings.c.movie_id)).first():
        return movie_id
    return merged_movies.now(connection, movie_id)


def _of(user_id: Any, movie_id: Any, *columns: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(*columns).where(ratings.c.user_id == user_id, ratings.c.movie_id == movie_id)


def _not_rated(user_id: int, movie_id: int) -> NotFound:
    return NotFound(f"User {user_id} has not rated movie {movie_id}.")


_ADD_FIRST_RATER = Prepared(
    lambda kind: (
        kind.insert(first_raters)
        .values(user_id=sa.bindparam("user_id"), movie_id=sa.bindparam("movie_id"))
        .on_conflict_do_nothing()
    )
)
_DELETE_FIRST_RATER = Prepared(first_raters.delete().where(*_pair(first_raters)))


def _noted(connection: Connection, user_id: int, movie_id: int, stored: Stored | None) -> float | None:
    """The score that is about to change, if any; noted for the undo of the import that wrote it."""
    if stored is None:
        return None
    score, import_seq = stored
    if import_seq:
        note_later_write(connection, import_seq, user_id, movie_id)
    return float(score)


_STORED = Prepared(sa.select(ratings.c.score, ratings.c.import_seq).where(*_pair(ratings)))


def _count(connection: Connection, movie_id: int, old: float | None, new: float | None) -> None:
    """Adjust the counts of a movie where the score `new` replaces `old`; None: no rating."""
    if old == new:
        return
    scored = dict.fromkeys(_SCORED, 0)
    for score, more in ((old, -1), (new, 1)):
        if score is not None:
            scored[f"more_{int(score / STEP)}"] = more
    count, total = int(old is None) - int(new is None), (new or 0.0) - (old or 0.0)
    _COUNT.run(connection, movie=movie_id, count=count, total=total, **scored)


_SCORED = {f"more_{steps}": column for steps, column in SCORED.items()}
_COUNT = Prepared(
    movies.update()
    .where(movies.c.id == sa.bindparam("movie"))
    .values(
        {column: column + sa.bindparam(name) for name, column in _SCORED.items()}
        | {
            movies.c.rating_count: movies.c.rating_count + sa.bindparam("count"),
            movies.c.rating_sum: movies.c.rating_sum + sa.bindparam("total"),
        }
    )
)


def note_changes(connection: Connection, changed: int, *, slot: int = 0) -> None:
    """Count changed ratings, in the counter of the slot (see `CHANGE_SLOTS`)."""
    counter_queries.add(connection, f"ratings_changed_{slot % CHANGE_SLOTS}", changed)


def changes(connection: Connection) -> int:
    """How many ratings were ever written, replaced or deleted."""
    query = sa.select(sa.func.coalesce(sa.func.sum(counters.c.value), 0))
    return int(connection.execute(query.where(counters.c.name.startswith("ratings_changed_"))).scalar_one())


def count_of(connection: Connection, user_id: int) -> int:
    """The number of a user's ratings."""
    mine = sa.select(sa.func.count()).select_from(ratings).where(ratings.c.user_id == user_id)
    return int(connection.execute(mine).scalar_one())


def change_first_raters(
    connection: Connection, column: str, before: int, after: int, others: Sequence[int]
) -> None:
    """Put one user or movie in the place of another among the first raters; the movies fold in again.

    `column`: user_id or movie_id; `others`: the values of the other one.
    """
    other = {"user_id": "movie_id", "movie_id": "user_id"}[column]
    for some in database_of(connection).batches(others):
        mine = (first_raters.c[column] == before, first_raters.c[other].in_(some))
        taken = connection.execute(first_raters.delete().where(*mine).returning(first_raters.c[other]))
        for key in sorted(taken.scalars().all()):
            pair = {column: after, other: key}
            _DELETE_FIRST_RATER.run(connection, user=pair["user_id"], movie=pair["movie_id"])
            _ADD_FIRST_RATER.run(connection, **pair)


def newly_rated(connection: Connection, after: int) -> list[int]:
    """The movies with a first rater whose number is above `after`, once each, the one rated last first."""
    newest = sa.func.max(first_raters.c.number)
    query = sa.select(first_raters.c.movie_id).where(first_raters.c.number > after)
    return list(connection.execute(query.group_by(first_raters.c.movie_id).order_by(newest.desc())).scalars())


def first_raters_of(connection: Connection, movie_id: int) -> list[int]:
    """The users who were the first to rate that movie through the API, newest first."""
    query = sa.select(first_raters.c.user_id).where(first_raters.c.movie_id == movie_id)
    return list(connection.execute(query.order_by(first_raters.c.number.desc())).scalars())


def last_first_rater(connection: Connection) -> int:
    """The number of the newest first rater of any movie, 0 without any."""
    return int(connection.execute(LAST_FIRST_RATER).scalar_one())


def forget_first_raters(connection: Connection, *, up_to: int) -> None:
    """Delete first raters up to that number; the model that is served was built with their ratings."""
    connection.execute(first_raters.delete().where(first_raters.c.number <= up_to))


def of_user(connection: Connection, user_id: int) -> list[Rating]:
    """Every rating of one user, by movie id."""
    query = sa.select(*_COLUMNS).where(ratings.c.user_id == user_id).order_by(ratings.c.movie_id)
    return [Rating(*row) for row in connection.execute(query).all()]


_SHIFT = 4
"""Bits of the score, in half steps, in a number that is a time and a score."""


def _texts(kind: type[Database]) -> sa.Select[Any]:
    """One row with two texts of numbers, movies and `_SHIFT`: half of the time of a row a rating."""
    half_steps = sa.cast(ratings.c.score * 2, sa.Integer)
    numbers = ratings.c.movie_id, ratings.c.rated_at * (1 << _SHIFT) + half_steps
    texts = (sa.func.aggregate_strings(sa.cast(number, sa.Text), ",") for number in numbers)
    query = sa.select(*(kind.ordered(text, ratings.c.movie_id) for text in texts))
    return query.where(ratings.c.user_id == sa.bindparam("user", 0, sa.BigInteger))  # read by `compile`


_PROFILE = Prepared(_texts)


def ask_profile(connection: Connection, user_id: int) -> Callable[[], Profile]:
    """Ask for every rating of one user, by movie id, as columns; the function returned reads the result."""
    cursor = _PROFILE.run(connection, user=user_id)
    return lambda: _profile(user_id, *(cursor.fetchone() or ("", "")))


def _profile(user_id: int, movie_ids: str | None, times_and_scores: str | None) -> Profile:
    packed = _integers(times_and_scores)
    scores = (packed & (1 << _SHIFT) - 1) * np.float64(STEP)
    return Profile(user_id, _integers(movie_ids), scores, packed >> _SHIFT)


def _integers(text: str | None) -> NDArray[np.int64]:
    return np.fromstring(text, np.int64, sep=",") if text else np.zeros(0, np.int64)


def listing(
    connection: Connection,
    *,
    limit: int,
    after: tuple[int, int] = (-1, -1),
    user_id: int | None = None,
    movie_id: int | None = None,
) -> list[Rating]:
    """Ratings by user and movie, from the one after `after`."""
    query = sa.select(*_COLUMNS).where(sa.tuple_(ratings.c.user_id, ratings.c.movie_id) > sa.tuple_(*after))
    if user_id is not None:
        query = query.where(ratings.c.user_id == user_id)
    if movie_id is not None:
        query = query.where(ratings.c.movie_id == movie_id)
    query = query.order_by(ratings.c.user_id, ratings.c.movie_id).limit(limit)
    return [Rating(*row) for row in connection.execute(query)]


def every(connection: Connection) -> Iterator[Rating]:
    """Every rating, by user and movie, streamed."""
    query = sa.select(*_COLUMNS).order_by(ratings.c.user_id, ratings.c.movie_id)
    for row in connection.execution_options(yield_per=10_000).execute(query):
        yield Rating(*row)


def histogram(connection: Connection, movie_id: int) -> dict[str, int]:
    """How many ratings of each score a movie has, from the counts kept per movie; zeros without the movie."""
    row = connection.execute(sa.select(*SCORED.values()).where(movies.c.id == movie_id)).first()
    counts = row or [0] * len(SCORED)
    return {f"{step * STEP:.1f}": count for step, count in zip(SCORED, counts, strict=True)}


def columns(
    connection: Connection, users: int, first: int = 0, last: int = MOST
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Users, movies and scores of every rating as arrays [n], by user and movie, `users` users at a time.

    Only of the users from `first` to `last`.
    """
    for some in database_of(connection).ratings_of_users(connection, users, first, last):
        scores = some.half_steps.astype(np.float32) * np.float32(STEP)
        yield np.repeat(some.user_id, some.counts), some.movie_id, scores


def user_at(connection: Connection, place: int) -> int:
    """Whose rating is at this place, counted from 0, by user and movie; the largest id if there are fewer."""
    query = sa.select(ratings.c.user_id).order_by(ratings.c.user_id, ratings.c.movie_id)
    return connection.execute(query.limit(1).offset(place)).scalar() or MOST


def count(connection: Connection) -> int:
    """The number of ratings, from the counts kept per movie."""
    total = sa.select(sa.func.coalesce(sa.func.sum(movies.c.rating_count), 0))
    return int(connection.execute(total).scalar_one())

"""Queries on movies."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, RowMapping

from app.errors import Conflict, NotFound
from app.movie import Movie, genre_key, keys, search_key
from app.storage.database import database_of
from app.storage.schema import LAST_OWN_ID, counters, first_raters, links, movies, ratings, retired_movie_ids

PRIOR_RATINGS = 20
"""How many ratings of the mean score a movie of `top` is assumed to have besides its own."""

IDS_AT_ONCE = 100
"""Ids that are looked at in one query for a free one."""

_COLUMNS = (
    movies.c.id,
    movies.c.title,
    movies.c.year,
    movies.c.genre,
    movies.c.rating_count,
    movies.c.rating_sum,
)


def _movie(row: RowMapping) -> Movie:
    count = row["rating_count"]
    mean = round(row["rating_sum"] / count, 3) if count else None
    return Movie(row["id"], row["title"], row["year"], row["genre"], count, mean)


def _all(connection: Connection, query: sa.Select[Any]) -> list[Movie]:
    return [_movie(row) for row in connection.execute(query).mappings()]


def create(
    connection: Connection,
    title: str,
    year: int | None,
    genre: str | None,
    *,
    now: float,
    source: str = "api",
) -> Movie:
    """Add a movie under the next id of our own: from 1,000,000,000 up, one that no movie has or had."""
    values = {"title": title, "year": year, "genre": genre, "source": source, "created_at": now}
    values |= keys(title, genre)
    while True:
        movie_id = _next_id(connection)
        statement = database_of(connection).insert(movies).values(id=movie_id, **values)
        statement = statement.on_conflict_do_nothing()  # on PostgreSQL an import may have brought it just now
        if connection.execute(statement.returning(movies.c.id)).first():
            note_change(connection)
            return Movie(movie_id, title, year, genre)


def _next_id(connection: Connection) -> int:
    """Move the counter on; until the end of the transaction no other one can."""
    last = connection.execute(_CREATED.with_for_update()).scalar_one()
    start, taken = last, set[int]()
    while len(taken) == start - last:  # every id so far
        start += IDS_AT_ONCE
        taken |= _taken(connection, start - IDS_AT_ONCE, start)
    movie_id = next(i for i in range(last + 1, start + 1) if i not in taken)
    connection.execute(counters.update().where(_IS_CREATED).values(value=movie_id))
    if taken:
        connection.execute(retired_movie_ids.delete().where(retired_movie_ids.c.id < movie_id))
    return movie_id


def _taken(connection: Connection, after: int, up_to: int) -> set[int]:
    """The ids in between that a movie has, or had beyond the counter. One query: they change together."""
    columns = (movies.c.id, retired_movie_ids.c.id)
    ids = (sa.select(column).where(column > after, column <= up_to) for column in columns)
    return set(connection.execute(sa.union_all(*ids)).scalars())


_IS_CREATED = counters.c.name == "movies_created"
_CREATED = sa.select(counters.c.value).where(_IS_CREATED)


def note_change(connection: Connection) -> None:
    """Move the version of the catalogue: what exists or is shown of it has changed in this transaction.

    Last in a transaction: on PostgreSQL others that change the catalogue wait for this row from here on, and
    none of them may hold a movie that is still to be locked here.
    """
    connection.execute(_MOVE, {"counter": "catalogue", "more": 1})


_MOVE = (
    counters.update()
    .where(counters.c.name == sa.bindparam("counter"))
    .values(value=counters.c.value + sa.bindparam("more"))
)


def get(connection: Connection, movie_id: int, *, lock: bool = False) -> Movie:
    """One movie; `lock` holds its row until the end of the transaction. Raises `NotFound`."""
    query = sa.select(*_COLUMNS).where(movies.c.id == movie_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFound(f"There is no movie {movie_id}. GET /movies lists them; POST /movies adds one.")
    return _movie(row)


def by_ids(connection: Connection, ids: Iterable[int]) -> dict[int, Movie]:
    """The movies of `ids` that exist, by id."""
    found: dict[int, Movie] = {}
    for some in database_of(connection).batches(ids):
        query = sa.select(*_COLUMNS).where(movies.c.id.in_(some))
        found |= {movie.id: movie for movie in _all(connection, query)}
    return found


def listing(
    connection: Connection,
    *,
    limit: int,
    after: int = -1,
    genre: str | None = None,
    years: tuple[int | None, int | None] = (None, None),
) -> list[Movie]:
    """Movies in the order of their ids, from the one behind `after`, that match every filter."""
    query = _filtered("", genre, years).where(movies.c.id > after).order_by(movies.c.id)
    return _all(connection, query.limit(limit))


def search(
    connection: Connection,
    words: str,
    *,
    limit: int,
    after: tuple[int, ...] | None = None,
    genre: str | None = None,
    years: tuple[int | None, int | None] = (None, None),
) -> list[Movie]:
    """Movies with every one of `words` in the title, most rated first, from the one behind (count, id)."""
    query = _filtered(words, genre, years)
    if after is not None:
        count, movie_id = after
        behind = sa.and_(movies.c.rating_count == count, movies.c.id > movie_id)
        query = query.where(sa.or_(movies.c.rating_count < count, behind))
    return _all(connection, query.order_by(movies.c.rating_count.desc(), movies.c.id).limit(limit))


def popular(connection: Connection, *, limit: int) -> list[Movie]:
    """Movies by number of ratings, most first."""
    return search(connection, "", limit=limit)


def top(connection: Connection, *, limit: int) -> list[Movie]:
    """Rated movies by mean score, damped: each is given `PRIOR_RATINGS` more of the overall mean."""
    totals = connection.execute(
        sa.select(sa.func.sum(movies.c.rating_sum), sa.func.sum(movies.c.rating_count))
    )
    rating_sum, rating_count = totals.one()
    mean = float(rating_sum) / float(rating_count) if rating_count else 0.0
    damped = (movies.c.rating_sum + PRIOR_RATINGS * mean) / (movies.c.rating_count + PRIOR_RATINGS)
    query = sa.select(*_COLUMNS).where(movies.c.rating_count > 0)
    return _all(
        connection, query.order_by(damped.desc(), movies.c.rating_count.desc(), movies.c.id).limit(limit)
    )


def newest(connection: Connection, *, limit: int) -> list[Movie]:
    """Movies that were added last, and those that nobody has rated, before the others."""
    unrated_first = sa.case((movies.c.rating_count == 0, 0), else_=1)
    order = (unrated_first, movies.c.created_at.desc(), movies.c.id.desc())
    return _all(connection, sa.select(*_COLUMNS).order_by(*order).limit(limit))


def _filtered(
    words: str = "", genre: str | None = None, years: tuple[int | None, int | None] = (None, None)
) -> sa.Select[Any]:
    query = sa.select(*_COLUMNS)
    for word in search_key(words).split():
        query = query.where(movies.c.search_key.contains(word, autoescape=True))
    if genre:
        query = query.where(movies.c.genre_key.contains(genre_key(genre), autoescape=True))
    if years[0] is not None:
        query = query.where(movies.c.year >= years[0])
    if years[1] is not None:
        query = query.where(movies.c.year <= years[1])
    return query


def replace(connection: Connection, movie_id: int, title: str, year: int | None, genre: str | None) -> Movie:
    """Give a movie another title, year and genre. Raises `NotFound`."""
    get(connection, movie_id, lock=True)
    values = {"title": title, "year": year, "genre": genre, "source": "api"} | keys(title, genre)
    connection.execute(movies.update().where(movies.c.id == movie_id).values(**values))
    note_change(connection)
    return get(connection, movie_id)


def delete(connection: Connection, movie_id: int, *, force: bool) -> int:
    """Delete a movie and what is kept of it; with `force` its ratings too. Returns how many these were.

    Raises `NotFound`, `Conflict`.
    """
    movie = get(connection, movie_id, lock=True)
    if movie.rating_count and not force:
        raise Conflict(
            f"Movie {movie_id} has {movie.rating_count} ratings. Delete it with ?force=true to lose them too."
        )
    if movie.rating_count:
        connection.execute(ratings.delete().where(ratings.c.movie_id == movie_id))
    remove(connection, [movie_id])
    note_change(connection)
    return movie.rating_count


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Delete movies without ratings, and what is kept for them; their ids are not given out again.

    `note_change` is the caller's, once for all that it does.
    """
    if not ids:
        return
    gone = [{"movie": movie_id} for movie_id in ids]
    for statement in _REMOVE:
        connection.execute(statement, gone)
    _retire(connection, ids)
    connection.execute(_MOVE, {"counter": "movies_deleted", "more": len(ids)})


_REMOVE: Any = tuple(
    column.table.delete().where(column == sa.bindparam("movie"))
    for column in (first_raters.c.movie_id, links.c.movie_id, movies.c.id)
)


def _retire(connection: Connection, ids: Sequence[int]) -> None:
    """Remember the ids that the counter will come to."""
    created = connection.execute(_CREATED).scalar_one()
    if ahead := [{"id": movie_id} for movie_id in ids if created < movie_id <= LAST_OWN_ID]:
        statement = database_of(connection).insert(retired_movie_ids)
        connection.execute(statement.on_conflict_do_nothing(), ahead)


def matching_ids(
    connection: Connection, *, genre: str | None, years: tuple[int | None, int | None]
) -> list[int]:
    """The ids of the movies that match every filter."""
    query = _filtered("", genre, years).with_only_columns(movies.c.id)
    return list(connection.execute(query).scalars())


def known_ids(connection: Connection) -> list[int]:
    """The ids of every movie, ascending."""
    return list(connection.execute(sa.select(movies.c.id).order_by(movies.c.id)).scalars())


def exist(connection: Connection, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `ids` [n] are movies. All ids come as one string: ten times as fast as a row each."""
    text = connection.execute(sa.select(sa.func.aggregate_strings(sa.cast(movies.c.id, sa.Text), ",")))
    return np.isin(ids, np.fromstring(text.scalar() or "", np.int64, sep=","))


def count(connection: Connection) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(movies)).scalar_one()

"""Queries on movies."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection, RowMapping

from app.errors import Conflict, NotFound
from app.movie import Movie, genre_key, imdb_text, keys, search_key
from app.repository import counters, merged_movies, title_index
from app.storage.database import database_of
from app.storage.personal import aliases, marks
from app.storage.players import plays
from app.storage.prepared import Prepared
from app.storage.schema import LAST_OWN_ID, first_raters, links, movies, ratings, retired_movie_ids

PRIOR_RATINGS = 20
"""Ratings of the overall mean that `top` adds to those of each movie."""
IDS_AT_ONCE = 100
"""Ids that one query looks at for a free one."""

Years = tuple[int | None, int | None]
"""The first and the last year that are wanted, if they are bounded."""
Decades = tuple[int, ...]
"""The first years of the decades that are wanted; none: all."""
_COLUMNS = (
    movies.c.id,
    movies.c.title,
    movies.c.year,
    movies.c.genre,
    movies.c.rating_count,
    movies.c.rating_sum,
    links.c.imdb_id,
    links.c.tmdb_id,
)
WHOLE = sa.select(*_COLUMNS).select_from(movies.outerjoin(links, links.c.movie_id == movies.c.id))
"""Selects what `movie_of` reads."""


class Merged(NotFound):
    """The movie was merged into another one, which has the id `into`."""

    def __init__(self, movie_id: int, into: int) -> None:
        super().__init__(f"Movie {movie_id} was merged into movie {into}. Use that id.")
        self.into = into


def movie_of(row: RowMapping) -> Movie:
    """The movie of a row of `WHOLE`."""
    return _movie(row[column.key] for column in _COLUMNS)


def _movie(row: Iterable[Any]) -> Movie:
    movie_id, title, year, genre, count, total, imdb_id, tmdb_id = row
    mean = round(total / count, 3) if count else None
    return Movie(movie_id, title, year, genre, count, mean, imdb_text(imdb_id), tmdb_id)


def _all(connection: Connection, query: sa.Select[Any]) -> list[Movie]:
    return [_movie(row) for row in connection.execute(query)]


def create(
    connection: Connection,
    title: str,
    year: int | None,
    genre: str | None,
    *,
    now: float,
    source: str = "api",
) -> Movie:
    """Add a movie under the next id from 1,000,000,000 up that no movie has or had."""
    values = {"title": title, "year": year, "genre": genre, "source": source, "created_at": now}
    values |= keys(title, genre)
    while True:
        movie_id = _next_id(connection)
        statement = database_of(connection).insert(movies).values(id=movie_id, **values)
        statement = statement.on_conflict_do_nothing()  # on PostgreSQL an import may have added it just now
        if connection.execute(statement.returning(movies.c.id)).first():
            title_index.put(connection, {movie_id: (title, search_key(title))})
            note_change(connection)
            return Movie(movie_id, title, year, genre)


def _next_id(connection: Connection) -> int:
    """Move the counter on, under a lock until the end of the transaction."""
    last = connection.execute(_CREATED.with_for_update()).scalar_one()
    start, taken = last, set[int]()
    while len(taken) == start - last:  # every id so far
        start += IDS_AT_ONCE
        taken |= _taken(connection, start - IDS_AT_ONCE, start)
    movie_id = next(i for i in range(last + 1, start + 1) if i not in taken)
    counters.add(connection, "movies_created", movie_id - last)
    if taken:
        connection.execute(retired_movie_ids.delete().where(retired_movie_ids.c.id < movie_id))
    return movie_id


def _taken(connection: Connection, after: int, up_to: int) -> set[int]:
    """The ids in between that a movie has or had. One query: a delete moves an id between the tables."""
    columns = (movies.c.id, retired_movie_ids.c.id)
    ids = (sa.select(column).where(column > after, column <= up_to) for column in columns)
    return set(connection.execute(sa.union_all(*ids)).scalars())


_CREATED = counters.value("movies_created")


def note_change(connection: Connection) -> None:
    """Move the version of the catalogue: this transaction has changed what exists or is shown of it.

    To be called last: on PostgreSQL it locks the counter, and a transaction that waits for that may hold a
    movie that this one would still have to lock, which would be a deadlock.
    """
    counters.add(connection, "catalogue")


_ONE = Prepared(WHOLE.where(movies.c.id == sa.bindparam("id")))
_LOCKED = Prepared(WHOLE.where(movies.c.id == sa.bindparam("id")).with_for_update(of=movies))
_SOME = Prepared(lambda engine: WHOLE.where(engine.is_listed(movies.c.id)))


def ask_held(connection: Connection, movie_id: int) -> Callable[[], Movie]:
    """Ask for a movie, and hold its row until the end of the transaction.

    The function returned reads the result, and raises as `get` does.
    """
    cursor = _LOCKED.run(connection, id=movie_id)
    return lambda: _found(connection, movie_id, cursor.fetchone())


def get(connection: Connection, movie_id: int, *, lock: bool = False) -> Movie:
    """One movie; `lock` holds its row until the end of the transaction.

    Raises `NotFound`: `Merged` if it is another one by now.
    """
    return _found(connection, movie_id, (_LOCKED if lock else _ONE).first(connection, id=movie_id))


def _found(connection: Connection, movie_id: int, row: tuple[Any, ...] | None) -> Movie:
    if row is None:
        if (into := merged_movies.now(connection, movie_id)) != movie_id:
            raise Merged(movie_id, into)
        raise NotFound(f"There is no movie {movie_id}. GET /movies lists them; POST /movies adds one.")
    return _movie(row)


def by_ids(connection: Connection, ids: Iterable[int]) -> dict[int, Movie]:
    """The movies of `ids` that exist, by id."""
    rows = _SOME.rows(connection, listed=database_of(connection).listed(ids))
    return {row[0]: _movie(row) for row in rows}


def listing(
    connection: Connection,
    *,
    limit: int,
    after: int = -1,
    genre: str | None = None,
    years: Years = (None, None),
) -> list[Movie]:
    """Movies that match every filter, by id, from the one after `after`."""
    query = filtered(WHOLE, genre, years).where(movies.c.id > after).order_by(movies.c.id)
    return _all(connection, query.limit(limit))


def popular(
    connection: Connection,
    *,
    limit: int,
    genre: str | None = None,
    years: Years = (None, None),
    decades: Decades = (),
) -> list[Movie]:
    """Movies that match every filter by number of ratings, most first."""
    query = filtered(WHOLE, genre, years, decades)
    return _all(connection, query.order_by(movies.c.rating_count.desc(), movies.c.id).limit(limit))


def top(connection: Connection, *, limit: int) -> list[Movie]:
    """Rated movies by damped mean score, best first: each gets `PRIOR_RATINGS` more of the overall mean."""
    totals = sa.select(sa.func.sum(movies.c.rating_sum), sa.func.sum(movies.c.rating_count))
    rating_sum, rating_count = connection.execute(totals).one()
    mean = float(rating_sum) / float(rating_count) if rating_count else 0.0
    damped = (movies.c.rating_sum + PRIOR_RATINGS * mean) / (movies.c.rating_count + PRIOR_RATINGS)
    order = (damped.desc(), movies.c.rating_count.desc(), movies.c.id)
    query = WHOLE.where(movies.c.rating_count > 0)
    return _all(connection, query.order_by(*order).limit(limit))


def newest(connection: Connection, *, limit: int) -> list[Movie]:
    """Movies without ratings before the others, the ones added last first."""
    unrated_first = sa.case((movies.c.rating_count == 0, 0), else_=1)
    order = (unrated_first, movies.c.created_at.desc(), movies.c.id.desc())
    return _all(connection, WHOLE.order_by(*order).limit(limit))


def filtered(query: sa.Select[Any], genre: str | None, years: Years, decades: Decades = ()) -> sa.Select[Any]:
    """The query, for movies of the genre, of the years from the first to the second, and of the decades."""
    if genre:
        query = query.where(movies.c.genre_key.contains(genre_key(genre), autoescape=True))
    if years[0] is not None:
        query = query.where(movies.c.year >= years[0])
    if years[1] is not None:
        query = query.where(movies.c.year <= years[1])
    if decades:
        query = query.where(sa.or_(*(movies.c.year.between(first, first + 9) for first in decades)))
    return query


def replace(connection: Connection, movie_id: int, title: str, year: int | None, genre: str | None) -> Movie:
    """Replace the title, year and genre of a movie. Raises `NotFound`."""
    get(connection, movie_id, lock=True)
    values = {"title": title, "year": year, "genre": genre, "source": "api"} | keys(title, genre)
    connection.execute(movies.update().where(movies.c.id == movie_id).values(**values))
    title_index.put(connection, {movie_id: (title, search_key(title))})
    note_change(connection)
    return get(connection, movie_id)


def delete(connection: Connection, movie_id: int, *, force: bool) -> int:
    """Delete a movie and what is kept for it, with `force` its ratings too. Returns how many ratings it had.

    Raises `NotFound`, `Conflict`.
    """
    movie = get(connection, movie_id, lock=True)
    if (others := merged_movies.pointing_at(connection, movie_id)) and not force:
        raise Conflict(
            f"Movies were merged into movie {movie_id}, and their ids lead to it: {others[:20]}. Delete it "
            "with ?force=true to lose them too, or undo the merges first."
        )
    if movie.rating_count and not force:
        raise Conflict(
            f"Movie {movie_id} has {movie.rating_count} ratings. Delete it with ?force=true to lose them too."
        )
    if movie.rating_count:
        database_of(connection).join_ratings(connection)
        connection.execute(ratings.delete().where(ratings.c.movie_id == movie_id))
    remove(connection, [movie_id])
    note_change(connection)
    return movie.rating_count


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Delete movies without ratings, and what is kept for them; their ids are not given out again.

    The caller calls `note_change`, once for all that it does.
    """
    merged_movies.forget(connection, ids)
    drop(connection, ids)


def drop(connection: Connection, ids: Sequence[int]) -> None:
    """`remove`, but for the ids that lead to these: of movies that are merged into others."""
    if not ids:
        return
    title_index.remove(connection, ids)
    gone = [{"movie": movie_id} for movie_id in ids]
    for statement in _REMOVE:
        connection.execute(statement, gone)
    _retire(connection, ids)
    counters.add(connection, "movies_deleted", len(ids))


_REMOVE: Any = tuple(
    column.table.delete().where(column == sa.bindparam("movie"))
    for column in (
        *(first_raters.c.movie_id, links.c.movie_id, marks.c.movie_id, aliases.c.movie_id),
        *(plays.c.movie_id, movies.c.id),
    )
)


def _retire(connection: Connection, ids: Sequence[int]) -> None:
    """Keep the ids that the counter has not reached, so that it passes over them."""
    created = connection.execute(_CREATED).scalar_one()
    if ahead := [{"id": movie_id} for movie_id in ids if created < movie_id <= LAST_OWN_ID]:
        statement = database_of(connection).insert(retired_movie_ids)
        connection.execute(statement.on_conflict_do_nothing(), ahead)


def matching_ids(
    connection: Connection, *, genre: str | None, years: Years, decades: Decades = ()
) -> list[int]:
    """The ids of the movies that match every filter."""
    query = filtered(sa.select(movies.c.id), genre, years, decades)
    return list(connection.execute(query).scalars())


def known_ids(connection: Connection) -> list[int]:
    """The ids of every movie, ascending."""
    return list(connection.execute(sa.select(movies.c.id).order_by(movies.c.id)).scalars())


def exist(connection: Connection, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `ids` [n] are movies. Every id comes in one text: ten times as fast as a row each."""
    text = connection.execute(sa.select(sa.func.aggregate_strings(sa.cast(movies.c.id, sa.Text), ",")))
    return np.isin(ids, np.fromstring(text.scalar() or "", np.int64, sep=","))


def count(connection: Connection) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(movies)).scalar_one()

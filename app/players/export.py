"""What a person says of movies as CSV, streamed: with all that is kept, or as Letterboxd imports it.

Each block is read in a transaction of its own, so that a slow reader holds nothing up.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy.engine import Connection

from app.imports.spreadsheets import escape
from app.mark import Mark
from app.repository import said_of_movies
from app.repository.said_of_movies import SaidOfMovie
from app.storage import Database

ROWS = 500
"""Movies of a block."""
Row = tuple[object, ...]


class Sheet(StrEnum):
    """The files that Letterboxd imports: movies that were seen, with scores; movies to watch."""

    WATCHED = "watched"
    WATCHLIST = "watchlist"


def marks_csv(database: Database, user_id: int) -> Iterator[str]:
    """Scores and marks with their times (epoch seconds), one line each, by movie.

    `what`: rating or a mark; `value`: a score, or 1 for a set mark and 0 for one that was taken away.
    """
    header = ("movie_id", "title", "year", "imdb_id", "tmdb_id", "what", "value", "at")
    return _blocks(database, user_id, header, _all_of)


def letterboxd_csv(database: Database, user_id: int, sheet: Sheet) -> Iterator[str]:
    """One of the files that Letterboxd imports (https://letterboxd.com/about/importing-data/)."""
    if sheet is Sheet.WATCHLIST:
        return _blocks(database, user_id, ("Title", "Year", "imdbID", "tmdbID"), _to_watch)
    header = ("Title", "Year", "imdbID", "tmdbID", "Rating", "WatchedDate")
    return _blocks(database, user_id, header, _seen)


def _all_of(said: SaidOfMovie) -> Iterator[Row]:
    movie = said.movie
    fields = (movie.id, escape(movie.title), movie.year, movie.imdb_id, movie.tmdb_id)
    if said.score is not None:
        yield *fields, "rating", said.score, said.rated_at
    for mark in Mark:
        if (state := said.marks.get(mark)) is not None:
            yield *fields, mark.value, int(state.is_set), state.at


def _seen(said: SaidOfMovie) -> Iterator[Row]:
    watched = said.marks.get(Mark.WATCHED)
    is_watched = watched is not None and watched.is_set
    if said.score is None and not is_watched:
        return
    day = datetime.fromtimestamp(watched.at, UTC).date() if watched is not None and is_watched else ""
    yield *_ids(said), said.score, day


def _to_watch(said: SaidOfMovie) -> Iterator[Row]:
    state = said.marks.get(Mark.WATCHLIST)
    if state is not None and state.is_set:
        yield _ids(said)


def _ids(said: SaidOfMovie) -> Row:
    movie = said.movie
    return escape(movie.title), movie.year, movie.imdb_id, movie.tmdb_id


def _blocks(
    database: Database, user_id: int, header: Row, rows: Callable[[SaidOfMovie], Iterable[Row]]
) -> Iterator[str]:
    after, start = -1, [header]
    while True:
        with database.read() as connection:
            some = _read(connection, user_id, after)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [*start, *(row for said in some for row in rows(said))]
        )
        yield text.getvalue()
        if len(some) < ROWS:
            return
        after, start = some[-1].movie.id, []


def _read(connection: Connection, user_id: int, after: int) -> list[SaidOfMovie]:
    return said_of_movies.listing(connection, user_id, limit=ROWS, after=after)

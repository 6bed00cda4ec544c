"""Everything as CSV, streamed: what comes out can be imported again, and be opened in a spreadsheet.

Each block is read in a transaction of its own, so that a slow reader holds nothing up.
"""

import csv
import io
from collections.abc import Iterable, Iterator

from app.imports.spreadsheets import escape
from app.repository import movies, ratings
from app.storage import Database

BLOCK = 64 << 10
"""Characters of a block, about: what a reader that does not read has in memory."""
ROWS, MOVIES = 2_000, 100
"""Read at once. A rating has some 30 characters; a movie seldom more than 60, but it may have 700."""


def ratings_csv(database: Database) -> Iterator[str]:
    """Every rating, by user and movie, in blocks of lines."""
    lines, after = _ratings(database, (-1, -1))
    yield "user_id,movie_id,score,rated_at\n" + lines
    while lines:
        lines, after = _ratings(database, after)
        yield lines


def _ratings(database: Database, after: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    with database.read() as connection:
        found = ratings.listing(connection, limit=ROWS, after=after)
    lines = "".join(f"{r.user_id},{r.movie_id},{r.score},{r.rated_at}\n" for r in found)
    return lines, (found[-1].user_id, found[-1].movie_id) if found else after


def movies_csv(database: Database) -> Iterator[str]:
    """Every movie, by id, in blocks of lines."""
    lines, after = _movies(database, -1)
    yield "id,title,year,genre\n" + lines
    while lines:
        lines, after = _movies(database, after)
        yield lines


def _movies(database: Database, after: int) -> tuple[str, int]:
    parts, size = [], 0
    with database.read() as connection:
        while size < BLOCK and (found := movies.listing(connection, limit=MOVIES, after=after)):
            year = ("" if m.year is None else m.year for m in found)
            rows = zip(found, year, strict=True)
            parts.append(_lines((m.id, escape(m.title), y, escape(m.genre or "")) for m, y in rows))
            size, after = size + len(parts[-1]), found[-1].id
    return "".join(parts), after


def _lines(rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()

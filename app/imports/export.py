"""Everything as CSV, streamed: what comes out can be imported again, and be opened in a spreadsheet.

Each block is read in a transaction of its own, so that a slow reader holds nothing up.
"""

import csv
import io
from collections.abc import Iterable, Iterator

from app.imports.spreadsheets import escape
from app.repository import movies, ratings
from app.storage import Database

ROWS = 5_000


def ratings_csv(database: Database) -> Iterator[str]:
    """Every rating, by user and movie, in blocks of lines."""
    yield "user_id,movie_id,score,rated_at\n"
    after = (-1, -1)
    while True:
        with database.read() as connection:
            found = ratings.listing(connection, limit=ROWS, after=after)
        if not found:
            return
        yield "".join(f"{r.user_id},{r.movie_id},{r.score},{r.rated_at}\n" for r in found)
        after = (found[-1].user_id, found[-1].movie_id)


def movies_csv(database: Database) -> Iterator[str]:
    """Every movie, by id, in blocks of lines."""
    yield "id,title,year,genre\n"
    after = -1
    while True:
        with database.read() as connection:
            found = movies.listing(connection, limit=ROWS, after=after)
        if not found:
            return
        year = ("" if m.year is None else m.year for m in found)
        rows = zip(found, year, strict=True)
        yield _lines((m.id, escape(m.title), y, escape(m.genre or "")) for m, y in rows)
        after = found[-1].id


def _lines(rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()

"""One user's recommendations as lines of a file: JSON lines of ids, or a CSV with titles."""

import csv
import io
import json
from collections.abc import Callable, Iterable

from app.imports.spreadsheets import escape
from app.serving.recommendations import Recommendation

HEADERS = {"jsonl": "", "csv": "user_id,place,movie_id,title,year,preference,source\n"}
DIGITS = 6
"""Of a preference: more are noise in 32 bits."""


def json_line(user_id: int, source: str, listed: Iterable[Recommendation]) -> str:
    """`{"user_id", "source", "recommendations": [{"movie_id", "preference"}]}`"""
    pairs = ((one.movie.id, round(one.preference, DIGITS)) for one in listed)
    movies = [{"movie_id": movie_id, "preference": preference} for movie_id, preference in pairs]
    line = {"user_id": user_id, "source": source, "recommendations": movies}
    return json.dumps(line, separators=(",", ":")) + "\n"


def csv_lines(user_id: int, source: str, listed: Iterable[Recommendation]) -> str:
    """A line a movie, best first; safe to open in a spreadsheet."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        (
            user_id,
            place,
            one.movie.id,
            escape(one.movie.title),
            one.movie.year,
            round(one.preference, DIGITS),
            source,
        )
        for place, one in enumerate(listed, 1)
    )
    return text.getvalue()


LINES: dict[str, Callable[[int, str, Iterable[Recommendation]], str]] = {
    "jsonl": json_line,
    "csv": csv_lines,
}

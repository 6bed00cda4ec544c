"""A user's ratings as IMDb exports them: whole numbers from 1 to 10, and more columns than are read."""

import re

from app.imports.readers import fields, personal, reader
from app.imports.readers.lines import LineReader

_SCORE = re.compile(r"[1-9]|10", re.ASCII)


def half_steps(column: str, text: str) -> int:
    """A score in half steps. Raises `BadField`."""
    if not _SCORE.fullmatch(text):
        raise fields.BadField(column, text, "not a whole number from 1 to 10" if text else "missing")
    return int(text)


_COLUMNS = {"imdb_id": "Const", "score": "Your Rating", "rated_at": "Date Rated"}
RATINGS = LineReader(
    "imdb-ratings",
    reader.RATINGS,
    _COLUMNS | {"title": "Title", "year": "Year"},
    personal.lane(half_steps),
    others=True,
    personal=True,
)

"""A user's ratings as Letterboxd exports them."""

from app.imports.readers import fields, personal, reader
from app.imports.readers.lines import LineReader

RATINGS = LineReader(
    "letterboxd-ratings",
    reader.RATINGS,
    {"rated_at": "Date", "title": "Name", "year": "Year", "uri": "Letterboxd URI", "score": "Rating"},
    personal.lane(fields.half_steps),
    personal=True,
)

"""Matinee's own files, as its export writes them."""

from app.imports.readers import catalogue, fields, ratings, reader
from app.imports.readers.lines import LineReader
from app.imports.spreadsheets import unescape

RATINGS = LineReader(
    "ratings",
    reader.RATINGS,
    {"user_id": "user_id", "movie_id": "movie_id", "score": "score", "rated_at": "rated_at"},
    ratings.lane,
    optional={"rated_at"},
)
MOVIES = LineReader(
    "movies",
    reader.MOVIES,
    {"id": "id", "title": "title", "year": "year", "genre": "genre"},
    catalogue.movies(lambda title, row: (title, fields.year("year", row["year"])), unescape),
)

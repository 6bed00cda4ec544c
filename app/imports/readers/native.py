"""Ratings as Matinee's own export writes them; what is like them, and the movies, are read as tables."""

from app.imports.readers import ratings, reader
from app.imports.readers.lines import LineReader

RATINGS = LineReader(
    "ratings",
    reader.RATINGS,
    {"user_id": "user_id", "movie_id": "movie_id", "score": "score", "rated_at": "rated_at"},
    ratings.lane,
    optional={"rated_at"},
)

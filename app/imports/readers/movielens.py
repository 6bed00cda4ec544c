"""The CSV files of a MovieLens release."""

from app.imports.readers import catalogue, ratings, reader
from app.imports.readers.lines import LineReader
from app.titles import split_title

RATINGS = LineReader(
    "movielens-ratings",
    reader.RATINGS,
    {"user_id": "userId", "movie_id": "movieId", "score": "rating", "rated_at": "timestamp"},
    ratings.lane,
)
MOVIES = LineReader(
    "movielens-movies",
    reader.MOVIES,
    {"id": "movieId", "title": "title", "genre": "genres"},
    catalogue.movies(lambda title, _row: split_title(title)),  # "Matrix, The (1999)"
)
LINKS = LineReader(
    "movielens-links",
    reader.LINKS,
    {"id": "movieId", "imdb_id": "imdbId", "tmdb_id": "tmdbId"},
    catalogue.links,
)

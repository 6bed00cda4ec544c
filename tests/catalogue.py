"""Movies that a test wants to be there."""

from collections.abc import Iterable

from sqlalchemy.engine import Connection

from app.movie import Movie
from app.repository import catalogue
from app.repository import movies as movie_queries


def put_movies(connection: Connection, movies: Iterable[Movie], source: str = "import") -> None:
    """Write movies by id over whatever is there."""
    rows = {
        movie.id: {"title": movie.title, "year": movie.year, "genre": movie.genre}
        | {"source": source, "created_at": 1.0}
        for movie in movies
    }
    catalogue.put(connection, catalogue.MOVIE, rows)
    movie_queries.note_change(connection)

"""Queries on the genres of the movies."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.movie import GENRE_SEPARATOR
from app.storage.schema import movies


def listing(connection: Connection) -> list[str]:
    """The genres that movies have, each once, sorted."""
    together = connection.execute(sa.select(movies.c.genre).where(movies.c.genre != "").distinct()).scalars()
    return sorted({genre for text in together for genre in text.split(GENRE_SEPARATOR) if genre})

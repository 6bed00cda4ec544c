"""The index of titles, by which a search finds movies: it changes in the transaction that changes a title."""

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from app.storage.database import database_of
from app.titles import terms


def put(connection: Connection, titles: Mapping[int, str]) -> None:
    """Index movies by their titles, in place of those that they had."""
    index = database_of(connection).titles
    found = [(movie_id, terms(title)) for movie_id, title in titles.items()]
    index.put(connection, found)
    words = {term for _, some in found for term in some if term.isalpha()}
    index.add_words(connection, sorted(words))


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Take movies out of the index. Their words stay: they are only ever looked for among others."""
    database_of(connection).titles.delete(connection, ids)

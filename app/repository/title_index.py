"""The index of titles, by which a search finds movies: it changes in the transaction that changes a title."""

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from app.storage.database import database_of
from app.titles import terms


def put(connection: Connection, titles: Mapping[int, tuple[str, str]]) -> None:
    """Index movies by their titles, in place of those that they had: (title, search key) by id."""
    index = database_of(connection).titles
    found = [(movie_id, terms(title, key.split())) for movie_id, (title, key) in titles.items()]
    index.put(connection, found)
    words = set[str]().union(*(some for _, some in found))
    index.add_words(connection, sorted(filter(str.isalpha, words)))


def remove(connection: Connection, ids: Sequence[int]) -> None:
    """Take movies out of the index. Their words stay: they are only ever looked for among others."""
    database_of(connection).titles.delete(connection, ids)

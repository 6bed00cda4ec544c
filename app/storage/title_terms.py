"""The full-text index of titles, of each engine: which movies have which terms.

A condition is a list of which all must hold, of lists of which one must, of tuples of terms that a movie must
all have; a term that ends with "*" stands for every one that begins so. Terms are those of `app.titles`:
letters and digits, perhaps after a "=", no longer than `LONGEST_TERM`.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from app.storage.schema import Key, Plain, metadata

title_words = sa.Table(  # that titles have or had: among them a search looks for what was misspelt
    "title_words",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("word", Plain, nullable=False, index=True),
    sqlite_autoincrement=True,
)

Condition = Sequence[Sequence[tuple[str, ...]]]


class TitleTerms(ABC):
    """Writes and reads the index through the connection of the caller's transaction."""

    @staticmethod
    @abstractmethod
    def create(connection: Connection) -> None:
        """Create the empty index, for the migration."""

    @staticmethod
    @abstractmethod
    def put(connection: Connection, terms: Sequence[tuple[int, list[str]]]) -> None:
        """Index movies by their terms, in place of those that they had."""

    @staticmethod
    @abstractmethod
    def delete(connection: Connection, ids: Sequence[int]) -> None:
        """Take movies out of the index."""

    @staticmethod
    @abstractmethod
    def add_words(connection: Connection, words: Sequence[str]) -> None:
        """Add those words that are not among the words of titles yet."""

    @staticmethod
    @abstractmethod
    def text_of(condition: Condition) -> str:
        """The condition in the language of the engine."""

    @staticmethod
    @abstractmethod
    def matching(text: Any) -> sa.Select[Any]:
        """A query for the ids of the movies for which a condition holds: that text, or a parameter."""


class SQLiteTitleTerms(TitleTerms):
    """FTS5. To its tokenizer "ascii" all but ASCII's punctuation is a letter: a term is a token as it is."""

    @staticmethod
    def create(connection: Connection) -> None:
        options = "terms, detail=none, columnsize=0, tokenize=\"ascii tokenchars '='\""
        connection.exec_driver_sql(f"CREATE VIRTUAL TABLE title_terms USING fts5({options})")

    @staticmethod
    def put(connection: Connection, terms: Sequence[tuple[int, list[str]]]) -> None:
        # Most are new: to look for the others costs less than what a REPLACE does for each.
        query = "SELECT rowid FROM title_terms WHERE rowid IN (SELECT value FROM json_each(?))"
        ids = json.dumps([movie_id for movie_id, _ in terms])
        SQLiteTitleTerms.delete(connection, connection.exec_driver_sql(query, (ids,)).scalars().all())
        if rows := [(movie_id, " ".join(some)) for movie_id, some in terms]:
            connection.exec_driver_sql("INSERT INTO title_terms (rowid, terms) VALUES (?, ?)", rows)

    @staticmethod
    def delete(connection: Connection, ids: Sequence[int]) -> None:
        if ids:
            statement = "DELETE FROM title_terms WHERE rowid = ?"
            connection.exec_driver_sql(statement, [(movie_id,) for movie_id in ids])

    @staticmethod
    def add_words(connection: Connection, words: Sequence[str]) -> None:
        # One query for all of them: to look for each within its INSERT takes twice as long.
        query = "SELECT word FROM title_words WHERE word IN (SELECT value FROM json_each(?))"
        there = set(connection.exec_driver_sql(query, (json.dumps(words),)).scalars())
        if new := [(word,) for word in words if word not in there]:
            connection.exec_driver_sql("INSERT INTO title_words (word) VALUES (?)", new)

    @staticmethod
    def text_of(condition: Condition) -> str:
        return _joined(
            condition, " AND ", " OR ", lambda term: f'"{term.rstrip("*")}"{"*" * term.endswith("*")}'
        )

    @staticmethod
    def matching(text: Any) -> sa.Select[Any]:
        table = sa.table("title_terms", sa.column("rowid", sa.Integer))
        return sa.select(table.c.rowid).where(sa.literal_column("title_terms").op("MATCH")(text))


class PostgresTitleTerms(TitleTerms):
    """A tsvector of the terms as they are, in a GIN index. Few rows are pending in it: reads scan them."""

    @staticmethod
    def create(connection: Connection) -> None:
        table = "CREATE TABLE title_terms (movie_id bigint PRIMARY KEY, terms tsvector NOT NULL)"
        connection.exec_driver_sql(table)
        options = "(terms) WITH (gin_pending_list_limit = 256)"  # kB
        connection.exec_driver_sql(f"CREATE INDEX ix_title_terms_terms ON title_terms USING gin {options}")

    @staticmethod
    def put(connection: Connection, terms: Sequence[tuple[int, list[str]]]) -> None:
        if terms:
            ids, texts = zip(*((movie_id, " ".join(some)) for movie_id, some in terms), strict=True)
            connection.exec_driver_sql(_PUT, (list(ids), list(texts)))

    @staticmethod
    def delete(connection: Connection, ids: Sequence[int]) -> None:
        connection.exec_driver_sql("DELETE FROM title_terms WHERE movie_id = ANY(%s::bigint[])", (list(ids),))

    @staticmethod
    def add_words(connection: Connection, words: Sequence[str]) -> None:
        connection.exec_driver_sql(_ADD, (list(words),))

    @staticmethod
    def text_of(condition: Condition) -> str:
        return _joined(
            condition, " & ", " | ", lambda term: f"'{term.rstrip('*')}'{':*' * term.endswith('*')}"
        )

    @staticmethod
    def matching(text: Any) -> sa.Select[Any]:
        table = sa.table("title_terms", sa.column("movie_id", sa.BigInteger), sa.column("terms"))
        return sa.select(table.c.movie_id).where(table.c.terms.op("@@")(sa.cast(text, postgresql.TSQUERY)))


_PUT = (
    "INSERT INTO title_terms SELECT given.id, array_to_tsvector(string_to_array(given.terms, ' ')) "
    "FROM unnest(%s::bigint[], %s::text[]) AS given (id, terms) "
    "ON CONFLICT (movie_id) DO UPDATE SET terms = excluded.terms"
)
_ADD = (  # two at once may add the same word: then it is there twice, and neither waits for the other
    "INSERT INTO title_words (word) SELECT given.word FROM unnest(%s::text[]) AS given (word) "
    'WHERE NOT EXISTS (SELECT 1 FROM title_words WHERE title_words.word = given.word COLLATE "C")'
)


def _joined(condition: Condition, and_: str, or_: str, quoted: Any) -> str:
    def all_of(parts: Iterable[str]) -> str:
        return f"({and_.join(parts)})"

    alternatives = ((all_of(map(quoted, terms)) for terms in some) for some in condition)
    return all_of(f"({or_.join(some)})" for some in alternatives)

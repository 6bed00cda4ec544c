"""The titles among which an import finds movies: indexed once, and again for what has changed since.

To index 90,000 titles takes longer than all else of a person's import. So a worker holds the index of its
database with the version of the catalogue that it is of; what an import has made is indexed beside it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Connection

from app.imports.name_index import NameIndex
from app.movie import search_key
from app.process import without_collections
from app.repository import catalogue, versions
from app.storage import Database, database_of

Row = tuple[int, str, int | None] | tuple[int, str, int | None, str]
"""Of a movie: id, title, year, and the search key if that is known."""
_MOST_CHANGED = 0.1
"""Share of movies that may have changed before all are indexed again."""


class KnownTitles:
    """`titles`: title and year by movie id. Which of them may have a name the index says."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {row[0]: row for row in rows}
        self.titles = {movie_id: (row[1], row[2]) for movie_id, row in self._rows.items()}
        self._ids, self._index = _indexed(self._rows.values())
        self._gone = set[int]()
        self._later: tuple[Sequence[int], NameIndex] | None = None

    def having(self, name: str) -> list[int]:
        """The movies that may have a name, such as `names.names` has."""
        found = [self._ids[place] for place in self._index.having(name)]
        if self._later is None:
            return found
        ids, index = self._later
        return [one for one in found if one not in self._gone] + [ids[place] for place in index.having(name)]

    def saying(self, words: str, *, at_most: int) -> list[int]:
        """The movies in whose title these words stand, written without spaces; none if there are more."""
        if len(places := self._index.saying(words)) > at_most:
            return []
        found = [self._ids[place] for place in places]
        if self._later is None:
            return found
        ids, index = self._later
        return [one for one in found if one not in self._gone] + [ids[place] for place in index.saying(words)]

    def changed_to(self, rows: Iterable[Row]) -> Self:
        """Those of other rows, with the same index where most of them are the same."""
        wanted = {row[0]: row for row in rows}
        later = [row for movie_id, row in wanted.items() if self._rows.get(movie_id) != row]
        gone = {movie_id for movie_id, row in self._rows.items() if wanted.get(movie_id) != row}
        if len(later) + len(gone) > _MOST_CHANGED * len(self._rows):
            return type(self)(wanted.values())
        changed = type(self).__new__(type(self))
        changed._rows, changed._ids, changed._index = self._rows, self._ids, self._index
        changed.titles = {movie_id: (row[1], row[2]) for movie_id, row in wanted.items()}
        changed._gone, changed._later = gone, _indexed(later)
        return changed


def _indexed(rows: Iterable[Row]) -> tuple[list[int], NameIndex]:
    rows = list(rows)
    with without_collections():
        index = NameIndex((row[1], row[3] if len(row) == 4 else search_key(row[1])) for row in rows)
    return [row[0] for row in rows], index


@dataclass(slots=True)
class Held:
    """The titles of a version of the catalogue; `text`: as they are kept in files."""

    version: int
    titles: KnownTitles
    text: bytes


_held: WeakKeyDictionary[Database, Held] = WeakKeyDictionary()


def held(connection: Connection) -> Held:
    """The titles as the connection sees them. The version is read before them: it is never the newer one."""
    database = database_of(connection)
    before, version = _held.get(database), versions.catalogue(connection)
    if before is not None and before.version == version:
        return before
    with without_collections():
        columns = [list(column) for column in zip(*catalogue.titles(connection), strict=True)]
        rows = _rows(columns)
        known = KnownTitles(rows) if before is None else before.titles.changed_to(rows)
        _held[database] = Held(version, known, json.dumps(columns).encode())
    return _held[database]


def from_text(database: Database, text: bytes) -> KnownTitles:
    """The titles that a file keeps."""
    with without_collections():
        before, rows = _held.get(database), _rows(json.loads(text))
        return KnownTitles(rows) if before is None else before.titles.changed_to(rows)


def _rows(columns: Sequence[Sequence[Any]]) -> list[Row]:
    """A file has columns: of 90,000 rows each would be an object to write and to read."""
    return list(zip(*columns, strict=True)) if columns else []

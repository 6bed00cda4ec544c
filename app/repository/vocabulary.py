"""The words of all titles, in memory: among them a search looks for what was misspelt."""

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from app.repository import counters
from app.spelling import ends, slips
from app.storage import Database
from app.storage.database import database_of
from app.storage.title_terms import title_words

Version = tuple[Any, ...]


class Vocabulary:
    """Words, each with the set of its letters as bits, by which one pass leaves few to compare."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._known = frozenset(words)
        self._lengths = np.fromiter(map(len, words), np.int64, len(words))
        self._letters = _letters("".join(words), self._lengths)
        self._firsts = np.array([ord(word[0]) for word in words], np.uint32)
        self._lasts = np.array([ord(word[-1]) for word in words], np.uint32)

    def __contains__(self, word: str) -> bool:
        return word in self._known

    def alike(self, word: str) -> Iterator[str]:
        """Words that may be `word` with as many slips as it may have, and maybe a possessive "s".

        A slip changes two letters of the set at most, and leaves the beginning or the end as it is.
        """
        (first, last), forgiven = ends(word), slips(word)
        (letters,) = _letters(word, np.array([len(word)]))
        more = self._lasts == ord("s")
        near = np.abs(self._lengths - len(word)) <= forgiven + more
        near &= np.bitwise_count(self._letters ^ letters) <= 2 * forgiven + more
        near &= (self._firsts == ord(first[0])) | (self._lasts == ord(last[-1]))
        for place in np.flatnonzero(near).tolist():
            other = self._words[place]
            if other.startswith(first) or other.endswith(last):
                yield other


def _letters(text: str, lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The letters of each word of those joined in `text`; two that share a bit only spare less work."""
    if not text:
        return np.zeros(0, np.uint64)
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    bits = np.left_shift(np.uint64(1), (codes % 64).astype(np.uint64))
    starts = np.concatenate(([0], np.cumsum(lengths[:-1])))
    found: NDArray[np.uint64] = np.bitwise_or.reduceat(bits, starts)
    return found


def vocabulary(connection: Connection) -> Vocabulary:
    """The words of titles as of the transaction, read again after a change of the catalogue."""
    database = database_of(connection)
    version = tuple(connection.execute(_VERSION).one())
    known = _KEPT.get(database)
    if known is None or known[0] != version:
        words = connection.execute(sa.select(title_words.c.word).distinct()).scalars().all()
        known = _KEPT[database] = version, Vocabulary(words)
    return known[1]


def forget(database: Database) -> None:
    """Read the words again at the next search: what was written was taken back."""
    _KEPT.pop(database, None)


_KEPT: WeakKeyDictionary[Database, tuple[Version, Vocabulary]] = WeakKeyDictionary()
_VERSION = sa.select(
    counters.value("catalogue").scalar_subquery(), sa.select(sa.func.max(title_words.c.id)).scalar_subquery()
)

"""Which movies may have a name, without working out the names of all of them.

A name of a movie is a run of words of its title. So the titles are kept as one text of letters, without the
spaces, and the places where a word begins are sorted by the letters there (a suffix array of words; Manber
and Myers, SIAM J. Comput. 22(5), 1993): a name is found by bisection, at a place where it ends with a word.
What is found so may have the name; `names` says whether it does.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from app.imports import names
from app.movie import LONGEST_TITLE

_LETTERS = 8
"""Bytes of a run that are compared by number."""
_FEW = 100
"""Places that are looked at one by one."""
_SPACE, _END = 32, 10
_WORD, _LINE = 1, 2
"""What ends where a run may end: a word, or its line with it."""
_Array = np.ndarray[Any, np.dtype[Any]]


class NameIndex:
    """Finds places of movies in the order in which they were given: (title, its search key)."""

    def __init__(self, titles: Iterable[tuple[str, str]]) -> None:
        self._exact: dict[str, list[int]] = defaultdict(list)
        self._known: dict[tuple[str, bool], Sequence[int]] = {}
        lines, owners, whole = [""], [-1], [True]
        for at, (title, search_key) in enumerate(titles):
            is_plain = names.is_plain(title)
            found = self._plain(search_key) if is_plain else ()
            if not found:
                said = names.spelt(search_key.split())
                further = self._further(at, title[:LONGEST_TITLE].strip(), said)
                found = [" ".join(line) for line in (said, *further)]
            lines += found
            owners += [at] * len(found)
            whole += [is_plain] * len(found)
        lines.append("")
        self._sort("\n".join(lines).encode(), np.array([*owners, -1]), np.array([*whole, True]))

    @staticmethod
    def _plain(search_key: str) -> Sequence[str]:
        """The names of most titles: the title, and it without an article; nothing for one with others."""
        first, _, rest = search_key.partition(" ")
        if not names.SPECIAL.isdisjoint(rest.split()):
            return ()
        if first in names.LEFT_OUT and rest:
            return search_key, rest
        return () if first in names.SPECIAL or not first else (search_key,)

    def _further(self, at: int, title: str, said: list[str]) -> list[Sequence[str]]:
        """What else the names of a title are runs of; where that is not certain they are worked out."""
        if names.is_certain(title, said):
            return names.runs(title, said)
        for name in names.names(title):
            self._exact[name].append(at)
        return []

    def _sort(self, text: bytes, owners: _Array, whole: _Array) -> None:
        """`owners`: of each line; `whole`: whether it is a name as a whole alone."""
        written = np.frombuffer(text, np.uint8)
        kept = written != _SPACE
        packed = written[kept]
        begins = np.concatenate([[True], ~kept[:-1] | (written[:-1] == _END)])[kept]
        places = np.flatnonzero(begins & (packed != _END))
        window = np.concatenate([packed, np.full(_LETTERS, _END, np.uint8)])[
            places[:, None] + np.arange(_LETTERS)
        ]
        window *= np.logical_and.accumulate(window != _END, axis=1)
        prefixes = window.view(">u8").ravel().astype(np.uint64)
        order = np.argsort(prefixes, kind="stable")
        self._places = places[order]
        self._prefixes = array("Q", prefixes[order].tobytes())
        self._text, line = packed.tobytes(), np.cumsum(packed == _END)
        self._ends = np.where(packed == _END, _LINE, np.where(begins, _WORD, 0))
        self._ends_read = self._ends.astype(np.uint8).tobytes()
        self._owners = owners[line[self._places]]
        is_first = packed[self._places - 1] == _END
        part_of_whole = whole[line[self._places]]
        self._least = np.where(part_of_whole, np.where(is_first, _LINE, _LINE + 1), _WORD)

    def having(self, name: str) -> Sequence[int]:
        """The movies that may have a name, such as `names.names` has."""
        runs, exact = self._found(name, as_name=True), self._exact.get(name)
        return sorted({*runs, *exact}) if exact else runs

    def saying(self, words: str) -> Sequence[int]:
        """The movies in whose title these words stand, written without spaces."""
        return self._found(words, as_name=False)

    def _found(self, words: str, *, as_name: bool) -> Sequence[int]:
        if (found := self._known.get((words, as_name))) is None:
            found = self._find(words.encode(), as_name) if words else []
            self._known[words, as_name] = found
        return found

    def _find(self, run: bytes, as_name: bool) -> Sequence[int]:
        first = run[:_LETTERS]
        low = bisect_left(self._prefixes, int.from_bytes(first.ljust(_LETTERS, b"\0")))
        high = bisect_right(self._prefixes, int.from_bytes(first.ljust(_LETTERS, b"\xff")), lo=low)
        if low == high:
            return ()
        places, owners = self._places[low:high], self._owners[low:high]
        least = self._least[low:high] if as_name else np.full(high - low, _WORD)
        if high - low > _FEW:
            some = self._ends[np.minimum(places + len(run), len(self._ends) - 1)] >= least
            places, owners, least = places[some], owners[some], least[some]
        found = zip(places.tolist(), owners.tolist(), least.tolist(), strict=True)
        text, ends = self._text, self._ends_read
        return sorted(
            {at for place, at, end in found if text.startswith(run, place) and ends[place + len(run)] >= end}
        )

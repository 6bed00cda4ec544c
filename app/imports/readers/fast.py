"""The fast lane: reads clean lines of ratings, compiled by numba, and leaves every other to the strict lane.

It takes a line only if the strict lane would take it, and reads it alike: plain digits for ids and times,
a score such as 4, 4.0 or 4.5, no blanks, no quotes, a movie that is known, a time that is not in the future
and does not read as a date.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.arrays import Integers
from app.compilation import compiled
from app.imports.readers.times import FIRST_DATE, LAST_DATE
from app.rating import CLOCK_TOLERANCE, RatingColumns

USER, MOVIE, SCORE, TIME = range(4)
KINDS = {"user_id": USER, "movie_id": MOVIE, "score": SCORE, "rated_at": TIME}
SHORTEST_LINE = 6
"""Bytes of the shortest line that can be taken, "1,1,5" with its end."""
TABLE = 1 << 22
"""Movie ids below are looked up in a table of bits, those from it on by bisection."""

_COMMA, _POINT, _ZERO, _FIVE, _LF, _CR = (ord(c) for c in ",.05\n\r")
_ID_DIGITS, _TIME_DIGITS, _DECIMALS = 18, 11, 9
_FIRST_DATE, _LAST_DATE = FIRST_DATE, LAST_DATE


class Scan(NamedTuple):
    """What a block holds: the ratings taken with their lines (from 0), the others' (line, begin, end)."""

    ratings: RatingColumns
    lines: Integers
    others: Integers
    total: int


class Scanner:
    """Reads blocks of one file. `columns` maps our names to those in the `header`; `known_movies` sorted;
    `start`: of the import, epoch seconds."""

    def __init__(
        self, columns: Mapping[str, str], header: list[str], known_movies: Integers, start: int
    ) -> None:
        names = {text: name for name, text in columns.items()}
        self._kinds = np.array([KINDS[names[text]] for text in header], np.int8)
        self._timed = TIME in self._kinds.tolist()
        self._ids = known_movies
        self._table = np.zeros(TABLE, np.bool_)
        self._table[known_movies[known_movies < TABLE]] = True
        self._start = start
        self._numbers, self._lines = np.empty((3, 0), np.int64), np.empty(0, np.int64)
        self._score = np.empty(0, np.uint8)
        self._others = np.empty((0, 3), np.int64)

    def scan(self, block: bytes) -> Scan:
        if block[-1:] not in (b"", b"\n"):
            block += b"\n"  # the loops below stop at the end of a line, and look for no other
        most = len(block) // SHORTEST_LINE + 1
        if most > len(self._score):
            self._numbers, self._lines = np.empty((3, most), np.int64), np.empty(most, np.int64)
            self._score = np.empty(most, np.uint8)
        if len(block) > len(self._others):
            self._others = np.empty((len(block), 3), np.int64)  # costs memory as far as it is written
        good, bad, total = _scan(
            np.frombuffer(block, np.uint8),
            self._kinds,
            self._table,
            self._ids,
            self._start + CLOCK_TOLERANCE,
            self._numbers,
            self._score,
            self._lines,
            self._others,
        )
        user_id, movie_id, rated_at = self._numbers[:, :good].copy()
        half_steps = self._score[:good].copy()
        if not self._timed:
            rated_at[:] = self._start
        ratings = RatingColumns(user_id, movie_id, half_steps, rated_at, timed=self._timed)
        return Scan(ratings, self._lines[:good], self._others[:bad], total)


_compiled = compiled()


@_compiled
def _scan(
    buffer: NDArray[np.uint8],
    kinds: NDArray[np.int8],
    table: NDArray[np.bool_],
    ids: Integers,
    latest: int,
    numbers: Integers,  # [3, n] user, movie, time
    score: NDArray[np.uint8],
    lines: Integers,
    others: Integers,
) -> tuple[int, int, int]:
    """How many lines were taken, how many left, and how many there are.

    What is read of a line stays in variables of this one function: kept in an array, it takes four times
    as long.
    """
    position = line = good = bad = 0
    user = movie = time = steps = 0
    while position < len(buffer):
        begin, fields = position, 0
        while True:
            kind = kinds[fields]
            if kind == USER:
                user, position = _whole(buffer, position, _ID_DIGITS)
            elif kind == MOVIE:
                movie, position = _whole(buffer, position, _ID_DIGITS)
            elif kind == TIME:
                time, position = _whole(buffer, position, _TIME_DIGITS)
            else:
                steps, position = _half_steps(buffer, position)
            fields += 1
            if fields == len(kinds) or buffer[position] != _COMMA:
                break
            position += 1
        clean = fields == len(kinds) and user >= 0 and movie >= 0 and steps > 0 and 0 <= time <= latest
        clean = clean and not _FIRST_DATE <= time <= _LAST_DATE
        if buffer[position] == _CR:
            position += 1
        if clean and buffer[position] == _LF and _known(table, ids, movie):
            numbers[0, good], numbers[1, good], numbers[2, good] = user, movie, time
            score[good], lines[good] = steps, line
            good += 1
        else:
            while buffer[position] != _LF:
                position += 1
            end = position - 1 if position > begin and buffer[position - 1] == _CR else position
            others[bad, 0], others[bad, 1], others[bad, 2] = line, begin, end
            bad += 1
        position += 1
        line += 1
    return good, bad, line


@_compiled
def _whole(buffer: NDArray[np.uint8], position: int, most: int) -> tuple[int, int]:
    """The number at a position and the position after it; -1 for none or one of too many digits."""
    value, end = _digits(buffer, position)
    return (value if 0 < end - position <= most else -1), end


@_compiled
def _half_steps(buffer: NDArray[np.uint8], position: int) -> tuple[int, int]:
    """The score at a position in half steps, and the position after it; -1 for what is not on the scale."""
    whole, end = _digits(buffer, position)
    clean, steps = end - position == 1, whole * 2
    if buffer[end] == _POINT:
        first = end = end + 1
        if buffer[end] == _FIVE:
            steps += 1
            end += 1
        while buffer[end] == _ZERO:
            end += 1
        clean = clean and 0 < end - first <= _DECIMALS
    return (steps if clean and 1 <= steps <= 10 else -1), end


@_compiled
def _digits(buffer: NDArray[np.uint8], position: int) -> tuple[int, int]:
    """What the digits at a position come to, modulo 2^64, and the position after them."""
    value = np.uint64(0)
    digit = np.uint64(buffer[position]) - np.uint64(_ZERO)  # what is below a zero wraps to a large number
    while digit <= np.uint64(9):
        value = value * np.uint64(10) + digit
        position += 1
        digit = np.uint64(buffer[position]) - np.uint64(_ZERO)
    return np.int64(value), position  # type: ignore[return-value]


@_compiled
def _known(table: NDArray[np.bool_], ids: Integers, movie_id: int) -> bool:
    if movie_id < len(table):
        return bool(table[movie_id])
    place = np.searchsorted(ids, movie_id)
    return bool(place < len(ids) and ids[place] == movie_id)

"""The fast lane: reads clean lines of ratings, compiled by numba, and leaves every other to the strict lane.

It takes a line only if the strict lane would take it, and reads it alike: plain digits for ids and times,
a score such as 4, 4.0 or 4.5, no blanks, no quotes, a movie that is known, a time that is not in the future.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.imports.columns import UNTIMED, Columns, Integers
from app.imports.formats import Format
from app.ratings import CLOCK_TOLERANCE

USER, MOVIE, SCORE, TIME = range(4)
KINDS = {"user_id": USER, "movie_id": MOVIE, "score": SCORE, "rated_at": TIME}
SHORTEST_LINE = 6
"""Bytes of the shortest line that can be taken, "1,1,5" with its end."""
TABLE = 1 << 22
"""Movie ids below are looked up in a table of bits, those from it on by bisection."""

_COMMA, _POINT, _ZERO, _FIVE, _LF, _CR = (ord(c) for c in ",.05\n\r")
_ID_DIGITS, _TIME_DIGITS, _DECIMALS = 18, 11, 9


class Scan(NamedTuple):
    """What a block holds: the ratings taken with their lines (from 0), the others' (line, begin, end)."""

    columns: Columns
    lines: Integers
    others: Integers
    total: int


class Scanner:
    """Reads blocks of one file. `known_movies` sorted; `start`: of the import, epoch seconds."""

    def __init__(self, known: Format, header: list[str], known_movies: Integers, start: int) -> None:
        names = {text: name for name, text in known.columns.items()}
        self._kinds = np.array([KINDS[names[text]] for text in header], np.int8)
        self._untimed = TIME not in self._kinds
        self._ids = known_movies
        self._table = np.zeros(TABLE, np.bool_)
        self._table[known_movies[known_movies < TABLE]] = True
        self._start = start
        self._numbers, self._lines = np.empty((3, 0), np.int64), np.empty(0, np.int64)
        self._score = np.empty(0, np.uint8)

    def scan(self, block: bytes) -> Scan:
        most = len(block) // SHORTEST_LINE + 1
        if most > len(self._score):
            self._numbers, self._lines = np.empty((3, most), np.int64), np.empty(most, np.int64)
            self._score = np.empty(most, np.uint8)
        others = np.empty((block.count(b"\n") + 1, 3), np.int64)
        good, bad, total = _scan(
            np.frombuffer(block, np.uint8),
            self._kinds,
            self._table,
            self._ids,
            self._start + CLOCK_TOLERANCE,
            self._numbers,
            self._score,
            self._lines,
            others,
        )
        user_id, movie_id, rated_at = self._numbers[:, :good].copy()
        score = self._score[:good].copy()
        if self._untimed:
            rated_at[:] = self._start
            score |= UNTIMED
        return Scan(Columns(user_id, movie_id, rated_at, score), self._lines[:good], others[:bad], total)


_compiled = njit(nogil=True, cache=True, boundscheck=False)


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
    """How many lines were taken, how many left, and how many there are."""
    size, position, line, good, bad = len(buffer), 0, 0, 0, 0
    row = np.zeros(4, np.int64)
    while position < size:
        begin = position
        taken, position = _row(buffer, position, kinds, latest, row)
        if taken and _known(table, ids, row[MOVIE]):
            numbers[0, good], numbers[1, good], numbers[2, good] = row[USER], row[MOVIE], row[TIME]
            score[good], lines[good] = row[SCORE], line
            good += 1
        else:
            while position < size and buffer[position] != _LF:
                position += 1
            end = position - 1 if position > begin and buffer[position - 1] == _CR else position
            others[bad, 0], others[bad, 1], others[bad, 2] = line, begin, end
            bad += 1
        position += 1
        line += 1
    return good, bad, line


@_compiled
def _row(
    buffer: NDArray[np.uint8], position: int, kinds: NDArray[np.int8], latest: int, row: Integers
) -> tuple[bool, int]:
    """Read the line at a position into `row`: whether it is clean, and where that was decided."""
    for column in range(len(kinds)):
        kind = kinds[column]
        if column:
            if position >= len(buffer) or buffer[position] != _COMMA:
                return False, position
            position += 1
        if kind == SCORE:
            value, position = _half_steps(buffer, position)
        else:
            value, position = _digits(buffer, position, _TIME_DIGITS if kind == TIME else _ID_DIGITS)
        if value < 0 or (kind == TIME and value > latest):
            return False, position
        row[kind] = value
    if position < len(buffer) and buffer[position] == _CR:
        position += 1
    return position >= len(buffer) or buffer[position] == _LF, position


@_compiled
def _digits(buffer: NDArray[np.uint8], position: int, most: int) -> tuple[int, int]:
    """The number at a position and the position behind it; -1 for none or too long a one."""
    value, first = 0, position
    while position < len(buffer):
        digit = int(buffer[position]) - _ZERO
        if digit < 0 or digit > 9:
            break
        if position - first == most:
            return -1, position
        value = value * 10 + digit
        position += 1
    return (value if position > first else -1), position


@_compiled
def _half_steps(buffer: NDArray[np.uint8], position: int) -> tuple[int, int]:
    """The score at a position in half steps, and the position behind it; -1 for what is not on the scale."""
    whole, position = _digits(buffer, position, 1)
    if whole < 0:
        return -1, position
    steps = whole * 2
    if position < len(buffer) and buffer[position] == _POINT:
        position += 1
        first = position
        while position < len(buffer) and buffer[position] >= _ZERO and buffer[position] <= _ZERO + 9:
            if position == first and buffer[position] == _FIVE:
                steps += 1
            elif buffer[position] != _ZERO:
                return -1, position
            position += 1
        if position == first or position - first > _DECIMALS:
            return -1, position
    return (steps if 1 <= steps <= 10 else -1), position


@_compiled
def _known(table: NDArray[np.bool_], ids: Integers, movie_id: int) -> bool:
    if movie_id < len(table):
        return bool(table[movie_id])
    place = np.searchsorted(ids, movie_id)
    return bool(place < len(ids) and ids[place] == movie_id)

"""Changes of movie counts, score by score, as rows of `count_changes` until they are applied."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.rating import RatingColumns

SCORES = 10
_NO_IDS = np.empty(0, np.int64)
_WIDE = 1 << 59
"""Ids from here on leave no room for the four bits of a score in 64 bits with a sign."""
_WIDTHS: dict[int, Any] = {1: "<i1", 2: "<i2", 4: "<i4"}
"""Types of packed numbers, by their bytes."""


class Changes(NamedTuple):
    """`movie_id` [n], ascending; `scored` [n, 10]: how many ratings of 0.5, 1.0 ... 5.0 each gains."""

    movie_id: npt.NDArray[np.int64]
    scored: npt.NDArray[np.int32]

    @property
    def ratings(self) -> npt.NDArray[np.int64]:
        """How many ratings each movie gains [n]."""
        return np.asarray(self.scored.sum(1, dtype=np.int64))

    @property
    def half_steps(self) -> npt.NDArray[np.int64]:
        """By how much each sum of scores grows, in half steps [n]."""
        return np.asarray(self.scored.astype(np.int64) @ np.arange(1, SCORES + 1))


def changes_of(written: Sequence[RatingColumns], before: Sequence[RatingColumns]) -> Changes:
    """The changes of movie counts where the ratings `written` replace the ratings `before`."""
    added, removed = _counted(written), _counted(before)
    return total([added, Changes(removed.movie_id, -removed.scored)]) if len(removed.movie_id) else added


def _counted(ratings: Sequence[RatingColumns]) -> Changes:
    """The ratings of each movie and score, counted by one sort.

    Movie and score make one number, with the score in its lowest four bits: sorting plain numbers takes a
    third of the time of an `argsort`. Equal numbers then are neighbours, so each number that differs from
    the one before starts a cell of the table, and the distance to the next start is its count. Ids too large
    to be shifted are replaced by their rank, and put back at the end.
    """
    movie_id = np.concatenate([_NO_IDS, *(some.movie_id for some in ratings)])
    half_steps = np.concatenate([_NO_IDS, *(some.half_steps for some in ratings)])
    wide, rows = _NO_IDS, movie_id
    if movie_id.max(initial=0) >= _WIDE:
        wide, rows = np.unique(movie_id, return_inverse=True)
    keys = rows << 4 | half_steps
    keys.sort()
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    cells, counts = keys[starts], np.diff(starts, append=len(keys))
    is_first = np.diff(cells >> 4, prepend=-1) > 0
    found = cells[is_first] >> 4
    scored = np.zeros((len(found), SCORES), np.int32)
    scored[np.cumsum(is_first) - 1, (cells & 15) - 1] = counts
    return Changes(wide[found] if len(wide) else found, scored)


def total(changes: Sequence[Changes]) -> Changes:
    """The sum of the changes, by movie."""
    if not changes:
        return Changes(_NO_IDS, np.empty((0, SCORES), np.int32))
    movie_id = np.concatenate([some.movie_id for some in changes])
    order = np.argsort(movie_id)
    movie_id, scored = movie_id[order], np.concatenate([some.scored for some in changes])[order]
    starts = np.flatnonzero(np.diff(movie_id, prepend=-1))
    summed = np.add.reduceat(scored, starts) if len(starts) else scored
    return Changes(movie_id[starts], summed)


def parts(changes: Changes, size: int) -> Iterator[Changes]:
    """The changes, `size` movies at a time."""
    for start in range(0, len(changes.movie_id), size):
        some = slice(start, start + size)
        yield Changes(changes.movie_id[some], changes.scored[some])


def packed(changes: Changes) -> bytes:
    """One byte for the width of a number, then the ids, then the table in the narrowest type that holds it.

    Numbers of one transaction are small, so most rows take one byte for each.
    """
    largest = int(np.abs(changes.scored).max(initial=0))
    width = next(width for width, kind in _WIDTHS.items() if largest <= np.iinfo(kind).max)
    return bytes([width]) + changes.movie_id.tobytes() + changes.scored.astype(_WIDTHS[width]).tobytes()


def unpacked(data: bytes) -> Changes:
    """What `packed` was given."""
    width = data[0]
    n = (len(data) - 1) // (8 + SCORES * width)
    movie_id = np.frombuffer(data, "<i8", n, offset=1)
    scored = np.frombuffer(data, _WIDTHS[width], offset=1 + 8 * n)
    return Changes(movie_id.astype(np.int64), scored.astype(np.int32).reshape(n, SCORES))

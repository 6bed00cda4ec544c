"""Changes of movie counts, score by score, as they wait in `count_changes` to be made."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.rating import RatingColumns

SCORES = 10
_NO_IDS = np.empty(0, np.int64)
_WIDE = 1 << 59
"""Ids from here on leave no room for a score beside them."""
_WIDTHS: dict[int, Any] = {1: "<i1", 2: "<i2", 4: "<i4"}


class Changes(NamedTuple):
    """`movie_id` [n], ascending; `scored` [n, 10]: so many more ratings of 0.5, 1.0 ... 5.0 each has."""

    movie_id: npt.NDArray[np.int64]
    scored: npt.NDArray[np.int32]

    @property
    def ratings(self) -> npt.NDArray[np.int64]:
        """[n]: so many more ratings."""
        return np.asarray(self.scored.sum(1, dtype=np.int64))

    @property
    def half_steps(self) -> npt.NDArray[np.int64]:
        """The changes of the sums of scores, in half steps [n]."""
        return np.asarray(self.scored.astype(np.int64) @ np.arange(1, SCORES + 1))


def changes_of(written: Sequence[RatingColumns], before: Sequence[RatingColumns]) -> Changes:
    """What it means for the counts of movies that these ratings come for those."""
    come, gone = _counted(written), _counted(before)
    return total([come, Changes(gone.movie_id, -gone.scored)]) if len(gone.movie_id) else come


def _counted(ratings: Sequence[RatingColumns]) -> Changes:
    """One sort of plain numbers, movie and score together: a third of the time of one that keeps an order."""
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
    """The sum of changes by movie."""
    if not changes:
        return Changes(_NO_IDS, np.empty((0, SCORES), np.int32))
    movie_id = np.concatenate([some.movie_id for some in changes])
    order = np.argsort(movie_id)
    movie_id, scored = movie_id[order], np.concatenate([some.scored for some in changes])[order]
    starts = np.flatnonzero(np.diff(movie_id, prepend=-1))
    summed = np.add.reduceat(scored, starts) if len(starts) else scored
    return Changes(movie_id[starts], summed)


def parts(changes: Changes, size: int) -> Iterator[Changes]:
    """The changes of so many movies at a time."""
    for start in range(0, len(changes.movie_id), size):
        some = slice(start, start + size)
        yield Changes(changes.movie_id[some], changes.scored[some])


def packed(changes: Changes) -> bytes:
    """As bytes, in the narrowest type that holds every number: those of one transaction are small."""
    largest = int(np.abs(changes.scored).max(initial=0))
    width = next(width for width, kind in _WIDTHS.items() if largest <= np.iinfo(kind).max)
    return bytes([width]) + changes.movie_id.tobytes() + changes.scored.astype(_WIDTHS[width]).tobytes()


def unpacked(data: bytes) -> Changes:
    width = data[0]
    n = (len(data) - 1) // (8 + SCORES * width)
    movie_id = np.frombuffer(data, "<i8", n, offset=1)
    scored = np.frombuffer(data, _WIDTHS[width], offset=1 + 8 * n)
    return Changes(movie_id.astype(np.int64), scored.astype(np.int32).reshape(n, SCORES))

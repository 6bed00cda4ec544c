"""Ratings: what one is, the scale, ratings in bulk, and which of two wins."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from app.arrays import Integers, Mask, Selection

LOWEST, HIGHEST, STEP = 0.5, 5.0, 0.5
MAX_ID = 2**63 - 1
CLOCK_TOLERANCE = 300
"""Seconds by which a rating may lie in the future, for clocks that run ahead."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One user's score of one movie; `rated_at` in epoch seconds (UTC)."""

    user_id: int
    movie_id: int
    score: float
    rated_at: int


class Profile(Sequence[Rating]):
    """A user's ratings by movie id, a column an array [n]: most requests need no object a rating.

    `scores` in double precision; `rated_at` in epoch seconds.
    """

    def __init__(
        self, user_id: int, movie_ids: Integers, scores: NDArray[np.float64], rated_at: Integers
    ) -> None:
        self.user_id = user_id
        self.movie_ids, self.scores, self.rated_at = movie_ids, scores, rated_at

    def __len__(self) -> int:
        return len(self.movie_ids)

    def __iter__(self) -> Iterator[Rating]:
        columns = zip(self.movie_ids.tolist(), self.scores.tolist(), self.rated_at.tolist(), strict=True)
        return (Rating(self.user_id, *columns) for columns in columns)

    @overload
    def __getitem__(self, place: int) -> Rating: ...
    @overload
    def __getitem__(self, place: slice) -> list[Rating]: ...
    def __getitem__(self, place: int | slice) -> Rating | list[Rating]:
        if isinstance(place, slice):
            return list(self)[place]
        movie_id, score, at = self.movie_ids[place], self.scores[place], self.rated_at[place]
        return Rating(self.user_id, int(movie_id), float(score), int(at))

    @cached_property
    def digest(self) -> str:
        """Another one for other ratings."""
        columns = (self.movie_ids, self.scores, self.rated_at)
        return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


def columns_of(ratings: Sequence[Rating]) -> tuple[Integers, NDArray[np.float64], Integers]:
    """Movie ids, scores and times [n] of one user's ratings."""
    if isinstance(ratings, Profile):
        return ratings.movie_ids, ratings.scores, ratings.rated_at
    ids, times = [r.movie_id for r in ratings], [r.rated_at for r in ratings]
    scores = np.array([r.score for r in ratings], np.float64)
    return np.array(ids, np.int64), scores, np.array(times, np.int64)


@dataclass(frozen=True, slots=True)
class RatingColumns:
    """n ratings, a column an array [n]. `half_steps` is the score, 1 to 10; `rated_at` in epoch seconds.

    The last two columns are single values where all rows have the same one, as they mostly do: then they
    take no memory a row. `import_seq` (int32) is the number of the import that wrote a rating, 0 for none.
    `timed` is False for a row that came without a time; its `rated_at` is the start of the import.
    """

    user_id: Integers
    movie_id: Integers
    half_steps: NDArray[np.uint8]
    rated_at: Integers
    import_seq: NDArray[np.int32] | int = 0
    timed: Mask | bool = True

    @classmethod
    def joined(cls, parts: Iterable["RatingColumns"]) -> "RatingColumns":
        """The ratings of several, one after the other."""
        parts = list(parts)
        parts = [part for part in parts if len(part)] or parts[:1]
        columns = zip(*(part._columns() for part in parts), strict=True)
        return cls(*(_joined(column, [len(part) for part in parts]) for column in columns))

    def __len__(self) -> int:
        return len(self.user_id)

    def take(self, rows: Selection) -> "RatingColumns":
        """Some of the ratings."""
        columns = self._columns()
        return RatingColumns(*(c[rows] if isinstance(c, np.ndarray) else c for c in columns))

    def _columns(self) -> list[Any]:
        return [getattr(self, name) for name in self.__slots__]

    def import_seqs(self) -> NDArray[np.int32]:
        """`import_seq` of each rating [n], to be read only."""
        return np.broadcast_to(np.asarray(self.import_seq, np.int32), len(self))


def _joined(column: tuple[Any, ...], sizes: list[int]) -> Any:
    """The parts of a column as one."""
    if not isinstance(column[0], np.ndarray) and all(part is column[0] for part in column):
        return column[0]
    parts = zip(column, sizes, strict=True)
    return np.concatenate([np.broadcast_to(part, size) for part, size in parts])


# Which rating wins: of two of one user and movie the one with the later `rated_at`, of equally late ones
# the one that comes later. Within a file the later line comes later, and what an import brings comes later
# than what is stored. Where a row without a time says the same as what is stored, nothing is to be written.
# (A single rating by the API is of this very moment, and replaces what is there.)


def newest(ratings: RatingColumns) -> tuple[RatingColumns, Integers]:
    """The winner of each pair of user and movie, sorted by them; the ratings are in the order of the file.

    Also returns for each winner how many others it stands for, int64 [n].
    """
    ratings = ratings.take(order(ratings.user_id, ratings.movie_id))
    same = (ratings.user_id[1:] == ratings.user_id[:-1]) & (ratings.movie_id[1:] == ratings.movie_id[:-1])
    if not same.any():
        return ratings, np.zeros(len(ratings), np.int64)
    # All sorts here are stable: equally late ratings stay in the order of the file.
    ratings = ratings.take(np.lexsort((ratings.rated_at, ratings.movie_id, ratings.user_id)))
    last = np.flatnonzero(np.append(~same, True))
    return ratings.take(last), np.diff(last, prepend=-1) - 1


def judge(stored: RatingColumns, imported: RatingColumns) -> tuple[Mask, Mask]:
    """Which of the imported change nothing, and which lose to the stored one beside them; the others win."""
    same_time = ~np.asarray(imported.timed) | (imported.rated_at == stored.rated_at)
    unchanged = (imported.half_steps == stored.half_steps) & same_time
    return unchanged, ~unchanged & (imported.rated_at < stored.rated_at)


def order(user: Integers, movie: Integers) -> Integers:
    """The permutation that sorts by user and movie, stable.

    Where it has the room, a row is one number of user, movie and place: NumPy sorts numbers by vector
    instructions, six times as fast as it sorts places by their key.
    """
    if size := len(user):
        movie_bits, place_bits = int(movie.max()).bit_length(), size.bit_length()
        if int(user.max()).bit_length() + movie_bits + place_bits <= 63:
            rows = (user << (movie_bits + place_bits)) | (movie << place_bits) | np.arange(size)
            rows.sort()
            return rows & ((1 << place_bits) - 1)
    return np.lexsort((movie, user))


def matches(a: RatingColumns, b: RatingColumns) -> tuple[Integers, Integers]:
    """Where the pairs of user and movie that both have, each once at most, are in `a` and in `b`."""
    user, movie = np.concatenate((a.user_id, b.user_id)), np.concatenate((a.movie_id, b.movie_id))
    places = order(user, movie)
    user, movie = user[places], movie[places]
    first = np.flatnonzero((user[1:] == user[:-1]) & (movie[1:] == movie[:-1]))
    return places[first], places[first + 1] - len(a)

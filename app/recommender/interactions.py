"""Ratings as arrays: what trainers and the evaluation read."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.arrays import Floats, Integers

Rows = NDArray[np.int32]

DISLIKED = 1.5
"""Scores up to here weigh nothing: a negative weight for them loses quality."""
LIKED = 4.0
"""This score weighs 1."""


BLOCK = 1 << 20
"""Entries that are counted at once."""


def confidence(scores: ArrayLike) -> Floats:
    """The weights of ratings, ``max(0, (score - 1.5) / 2.5)`` (Hu, Koren, Volinsky 2008, section 4)."""
    weights = np.array(scores, np.float32)  # in place: they may be many
    weights -= np.float32(DISLIKED)
    weights /= np.float32(LIKED - DISLIKED)
    np.maximum(weights, 0, out=weights)
    return weights


@dataclass(frozen=True, eq=False)
class Csr:
    """A sparse matrix in compressed rows: row r has `indices[indptr[r]:indptr[r + 1]]`, ascending."""

    indptr: Integers  # [rows + 1]
    indices: Rows  # [entries], column numbers
    values: Floats  # [entries]; of scores also in half precision
    columns: int

    @property
    def rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> Integers:
        """Entries of each row, [rows]."""
        return np.diff(self.indptr)

    def counts(self, keep: NDArray[np.bool_] | None = None) -> Integers:
        """Entries of each column, [columns]; with `keep` [entries], of those where it holds.

        In blocks: `bincount` makes numbers of 64 bits of all that it gets.
        """
        counts = np.zeros(self.columns, np.int64)
        for first in range(0, len(self.indices), BLOCK):
            block = slice(first, first + BLOCK)
            indices = self.indices[block] if keep is None else self.indices[block][keep[block]]
            counts += np.bincount(indices, minlength=self.columns)
        return counts

    def row_numbers(self) -> Rows:
        """The row of each entry, [entries]."""
        return np.repeat(np.arange(self.rows, dtype=np.int32), self.lengths)

    def transpose(self) -> "Csr":
        order = np.argsort(self.indices, kind="stable")
        return Csr(
            _pointers(self.counts()),
            self.row_numbers()[order],
            self.values[order],
            self.rows,
        )

    def select(self, keep: NDArray[np.bool_]) -> "Csr":
        """The entries where `keep` [entries] holds; all rows and columns stay."""
        filled = np.flatnonzero(self.lengths)
        lengths = np.zeros(self.rows, np.int64)
        lengths[filled] = np.add.reduceat(keep, self.indptr[filled], dtype=np.int64)
        return Csr(_pointers(lengths), self.indices[keep], self.values[keep], self.columns)


@dataclass(frozen=True, eq=False)
class Interactions:
    """One rating per user and movie; rows of `scores` are users, columns movies."""

    user_ids: Integers  # [U], ascending
    movie_ids: Integers  # [M], ascending
    scores: Csr  # U x M

    @classmethod
    def from_arrays(cls, users: ArrayLike, movies: ArrayLike, scores: ArrayLike) -> "Interactions":
        """Sort ratings given in any order; of several by one user for one movie the last counts.

        Raises `ValueError` for lengths that differ and for a score that is not finite.
        """
        users, movies = np.asarray(users, np.int64), np.asarray(movies, np.int64)
        values = np.asarray(scores, np.float32)
        _check(users, movies, values)
        order = np.lexsort((movies, users))  # stable: repeated pairs keep the order given
        users, movies, values = users[order], movies[order], values[order]
        if len(users):
            last = np.append((users[1:] != users[:-1]) | (movies[1:] != movies[:-1]), True)
            users, movies, values = users[last], movies[last], values[last]
        user_ids, lengths = np.unique(users, return_counts=True)
        movie_ids, columns = np.unique(movies, return_inverse=True)
        table = Csr(_pointers(lengths), columns.astype(np.int32), values, len(movie_ids))
        return cls(user_ids, movie_ids, table)

    @classmethod
    def from_sorted(cls, parts: Iterable[tuple[ArrayLike, ArrayLike, ArrayLike]]) -> "Interactions":
        """From consecutive parts (users, movies, scores), sorted as a whole by user, then movie, none twice.

        Takes 10 bytes a rating while it reads, and keeps 6: scores are in half precision, in which half steps
        are exact. `from_arrays` takes several times that. Raises `ValueError` for ratings out of order and
        for a score that is not finite.
        """
        movies: list[Any] = []  # movie ids, then columns
        scores: list[NDArray[np.float16]] = []
        runs: list[tuple[Integers, Integers]] = []  # users and how many ratings of each
        known, last = _Movies(), (-(2**63), -(2**63))
        for part in parts:
            user, movie = (np.asarray(ids, np.int64) for ids in part[:2])
            scores.append(np.asarray(part[2], np.float16))
            if len(user):
                _check_part(user, movie, scores[-1], last)
                last = (int(user[-1]), int(movie[-1]))
            known.add(movie)
            movies.append(movie)
            runs.append(_runs(user))
        movie_ids = known.ids()
        for number, movie in enumerate(movies):
            movies[number] = known.columns(movie)
        starts = np.concatenate([np.empty(0, np.int64), *(user for user, _ in runs)])
        user_ids, rows = np.unique(starts, return_inverse=True)
        lengths = np.zeros(len(user_ids), np.int64)
        np.add.at(lengths, rows, np.concatenate([np.empty(0, np.int64), *(n for _, n in runs)]))
        columns = np.concatenate([np.empty(0, np.int32), *movies])
        values = np.concatenate([np.empty(0, np.float16), *scores])
        return cls(user_ids, movie_ids, Csr(_pointers(lengths), columns, values, len(movie_ids)))

    def __len__(self) -> int:
        """The number of ratings."""
        return len(self.scores.values)

    def row(self, user_id: int) -> slice:
        """The slice of a user's ratings in `scores.indices` and `.values`; empty for an unknown user."""
        row = int(np.searchsorted(self.user_ids, user_id))
        if row == len(self.user_ids) or self.user_ids[row] != user_id:
            return slice(0, 0)
        return slice(int(self.scores.indptr[row]), int(self.scores.indptr[row + 1]))

    def users(self, keep: NDArray[np.bool_]) -> "Interactions":
        """Only the users where `keep` [U] holds; every movie stays."""
        table = self.scores
        entries = np.repeat(keep, table.lengths)
        kept = Csr(
            _pointers(table.lengths[keep]), table.indices[entries], table.values[entries], table.columns
        )
        return Interactions(self.user_ids[keep], self.movie_ids, kept)

    def counts(self) -> Integers:
        """Ratings of each movie, [M]."""
        return self.scores.counts()

    def confidences(self) -> Csr:
        """The weights of the ratings that weigh more than 0; U x M."""
        weights = Csr(
            self.scores.indptr, self.scores.indices, confidence(self.scores.values), len(self.movie_ids)
        )
        return weights.select(weights.values > 0)


class _Movies:
    """The movies of ratings that come in parts, and the column of each.

    Ids below `LOW` are looked up in a table, which takes a tenth of the time of a search.
    """

    LOW = 1 << 22

    def __init__(self) -> None:
        self._seen = np.zeros(0, bool)
        self._high = np.empty(0, np.int64)  # ids that are not low

    def add(self, movies: Integers) -> None:
        low = (movies >= 0) & (movies < self.LOW)
        some = movies if low.all() else movies[low]
        if len(some) and (most := int(some.max())) >= len(self._seen):
            self._seen = np.append(self._seen, np.zeros(most + 1 + most // 2 - len(self._seen), bool))
        self._seen[some] = True
        if len(some) < len(movies):
            self._high = np.union1d(self._high, movies[~low])

    def ids(self) -> Integers:
        """Every id, ascending."""
        self._ids = np.union1d(np.flatnonzero(self._seen), self._high)
        low = (self._ids >= 0) & (self._ids < self.LOW)
        self._table = np.full(len(self._seen), -1, np.int32)
        self._table[self._ids[low]] = np.flatnonzero(low)
        return self._ids

    def columns(self, movies: Integers) -> Rows:
        """The column of each of these movies, all of which were added; once `ids` was asked for."""
        low = (movies >= 0) & (movies < self.LOW)
        if low.all():
            return self._table[movies]
        return np.searchsorted(self._ids, movies).astype(np.int32)


def _runs(users: Integers) -> tuple[Integers, Integers]:
    """The users of ratings that are sorted by user, and how many ratings of each."""
    first = np.flatnonzero(np.append(True, users[1:] != users[:-1])[: len(users)])
    return users[first], np.diff(np.append(first, len(users)))


def _pointers(lengths: NDArray[Any]) -> Integers:
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def _check_part(users: Integers, movies: Integers, scores: NDArray[Any], last: tuple[int, int]) -> None:
    """`last`: the user and movie of the rating before this part."""
    _check(users, movies, scores)
    same = users[1:] == users[:-1]
    back = (users[1:] < users[:-1]) | (same & (movies[1:] <= movies[:-1]))
    if (int(users[0]), int(movies[0])) <= last or back.any():
        raise ValueError(f"ratings after user {last[0]}, movie {last[1]} are not sorted by user and movie")


def _check(users: Integers, movies: Integers, scores: NDArray[Any]) -> None:
    if not len(users) == len(movies) == len(scores):
        raise ValueError(f"{len(users)} users, {len(movies)} movies, {len(scores)} scores: give one each")
    if not np.isfinite(scores).all():
        raise ValueError(f"score {np.flatnonzero(~np.isfinite(scores))[0]} is not a finite number")

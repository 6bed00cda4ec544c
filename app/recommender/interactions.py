"""Ratings as arrays: what trainers and the evaluation read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Rows = NDArray[np.int32]
Floats = NDArray[np.float32]

DISLIKED = 1.5  # scores up to here say nothing about preference: pulling them below zero loses quality
LIKED = 4.0  # weighs 1


def confidence(scores: ArrayLike) -> Floats:
    """The weight of a rating: ``(score - 1.5) / 2.5``, 0 below 1.5 (Hu, Koren, Volinsky 2008, section 4)."""
    weights = (np.asarray(scores, np.float32) - np.float32(DISLIKED)) / np.float32(LIKED - DISLIKED)
    return np.asarray(np.maximum(weights, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Csr:
    """A sparse matrix by compressed rows: row r has `indices[indptr[r]:indptr[r + 1]]`, ascending."""

    indptr: Ints  # [rows + 1]
    indices: Rows  # [entries], column numbers
    values: Floats  # [entries]
    columns: int

    @property
    def rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> Ints:
        """Entries of each row, [rows]."""
        return np.diff(self.indptr)

    def row_numbers(self) -> Rows:
        """The row of each entry, [entries]."""
        return np.repeat(np.arange(self.rows, dtype=np.int32), self.lengths)

    def transpose(self) -> "Csr":
        order = np.argsort(self.indices, kind="stable")
        return Csr(
            _pointers(np.bincount(self.indices, minlength=self.columns)),
            self.row_numbers()[order],
            self.values[order],
            self.rows,
        )

    def select(self, keep: NDArray[np.bool_]) -> "Csr":
        """The entries where `keep` [entries] holds; all rows and columns stay."""
        before = np.concatenate([[0], np.cumsum(keep)])  # kept entries in front of each
        return Csr(before[self.indptr], self.indices[keep], self.values[keep], self.columns)


@dataclass(frozen=True, eq=False)
class Interactions:
    """One rating per user and movie; rows of `scores` are users, columns movies."""

    user_ids: Ints  # [U], ascending
    movie_ids: Ints  # [M], ascending
    scores: Csr  # U x M

    @classmethod
    def from_arrays(cls, users: ArrayLike, movies: ArrayLike, scores: ArrayLike) -> "Interactions":
        """Sort ratings given in any order; of several by one user for one movie the last counts.

        Raises `ValueError` for lengths that differ and for a score that is not finite.
        """
        users, movies = np.asarray(users, np.int64), np.asarray(movies, np.int64)
        values = np.asarray(scores, np.float32)
        if not len(users) == len(movies) == len(values):
            raise ValueError(f"{len(users)} users, {len(movies)} movies, {len(values)} scores: give one each")
        if not np.isfinite(values).all():
            raise ValueError(f"score {np.flatnonzero(~np.isfinite(values))[0]} is not a finite number")
        order = np.lexsort((movies, users))  # stable: repeated pairs keep the order given
        users, movies, values = users[order], movies[order], values[order]
        if len(users):
            last = np.append((users[1:] != users[:-1]) | (movies[1:] != movies[:-1]), True)
            users, movies, values = users[last], movies[last], values[last]
        user_ids, lengths = np.unique(users, return_counts=True)
        movie_ids, columns = np.unique(movies, return_inverse=True)
        table = Csr(_pointers(lengths), columns.astype(np.int32), values, len(movie_ids))
        return cls(user_ids, movie_ids, table)

    def __len__(self) -> int:
        """The number of ratings."""
        return len(self.scores.values)

    def row(self, user_id: int) -> slice:
        """Where a user's ratings lie in `scores.indices` and `.values`; empty for an unknown user."""
        row = int(np.searchsorted(self.user_ids, user_id))
        if row == len(self.user_ids) or self.user_ids[row] != user_id:
            return slice(0, 0)
        return slice(int(self.scores.indptr[row]), int(self.scores.indptr[row + 1]))

    def users(self, keep: NDArray[np.bool_]) -> "Interactions":
        """Only the users where `keep` [U] holds; every movie stays."""
        table = self.scores.select(keep[self.scores.row_numbers()])
        indptr = _pointers(self.scores.lengths[keep])
        return Interactions(
            self.user_ids[keep], self.movie_ids, Csr(indptr, table.indices, table.values, table.columns)
        )

    def counts(self) -> Ints:
        """Ratings of each movie, [M]."""
        return np.bincount(self.scores.indices, minlength=len(self.movie_ids))

    def confidences(self) -> Csr:
        """The ratings that count for the model, by their weight > 0; U x M."""
        weights = Csr(
            self.scores.indptr, self.scores.indices, confidence(self.scores.values), len(self.movie_ids)
        )
        return weights.select(weights.values > 0)


def _pointers(lengths: NDArray[Any]) -> Ints:
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr

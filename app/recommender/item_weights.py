"""The item-item half of a model: what a rating of one movie adds to the score of another, sparse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.arrays import Floats, Integers
from app.recommender.interactions import Rows

BLOCK = 1 << 18
"""Weights in one step of a sum: some MB, however many ratings a user has."""
LIKENESS = 8.0
"""Of an item weight in the likeness of two movies, beside a cosine: chosen on pairs (docs/recommender.md)."""
SHARE = 0.5
"""Of the preference: .4 to .6 are as good."""


@dataclass(frozen=True, eq=False)
class ItemWeights:
    """The W largest weights of each of N movies, for as many other movies.

    A rating of weight w of the movie in row i adds ``w * values[i, p]`` to the score of `columns[i, p]`.
    """

    movie_ids: Integers  # [N], ascending; all are in the model
    columns: Rows  # [N, W], ascending in each row
    values: Floats  # [N, W]
    share: float = SHARE  # of the preference; the factors have the rest


class PlacedWeights:
    """Item weights by the rows of a model, as a request uses them."""

    def __init__(self, items: ItemWeights, movie_ids: Integers) -> None:
        """`movie_ids` [M]: those of the model."""
        rows = rows_of(movie_ids, items.movie_ids)
        self._row = np.full(len(movie_ids), -1)  # [M]: the row in `items`
        self._row[rows] = np.arange(len(rows))
        narrow = np.min_scalar_type(len(movie_ids))  # what a request reads of it is in no cache
        self._targets = rows[items.columns].astype(narrow)  # [N, W]: rows of the model
        self._values = items.values
        self.share = np.zeros(len(movie_ids), np.float32)  # [M]: of a preference, 0 without item weights
        self.share[rows] = items.share
        self._rest = 1 - self.share  # [M]: what the factors have
        self._scale = items.share

    def blend(self, found: Floats, rows: NDArray[np.int64], weights: NDArray[np.float64]) -> None:
        """Turn the preferences [M] by the factors alone into those of the blend, in place.

        The ratings [n]: rows in the model, and weights.
        """
        found *= self._rest
        own = self._row[rows]
        own, weights = own[own >= 0], (self._scale * weights[own >= 0]).astype(np.float32)
        step = max(1, BLOCK // max(1, self._values.shape[1]))
        for first in range(0, len(own), step):
            some = own[first : first + step]
            parts = self._values.take(some, axis=0)
            parts *= weights[first : first + step, None]
            targets = self._targets.take(some, axis=0).ravel().astype(np.intp)  # as `add.at` is fast
            if len(own) <= step:  # half the time of the other
                np.add.at(found, targets, parts.ravel())
            else:  # of very many ratings: summed in double precision
                found += np.bincount(targets, parts.ravel(), len(found))

    def add_likeness(self, found: Floats, row: int) -> None:
        """Add the weights of one movie, times `LIKENESS`, to its cosines with all movies [M], in place."""
        if (own := self._row[row]) >= 0:
            found[self._targets[own]] += np.float32(LIKENESS) * self._values[own]

    def contributions(
        self, rows: NDArray[np.int64], weights: NDArray[np.float64], targets: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """[targets, n]: what each rating adds to each target through the item weights; target -1 has none."""
        distinct, again = np.unique(targets, return_inverse=True)
        is_target = np.zeros(len(self._row) + 1, np.bool_)
        is_target[distinct] = True
        is_target[-1] = False
        result = np.zeros((len(distinct), len(rows)))
        own = self._row[rows]
        inside = np.flatnonzero(own >= 0)
        columns = self._targets.take(own[inside], axis=0)  # [n, W]
        rating, entry = np.divmod(np.flatnonzero(is_target.take(columns)), max(1, columns.shape[1]))
        rating, places = inside[rating], np.searchsorted(distinct, columns[rating, entry])
        result[places, rating] = self._scale * weights[rating] * self._values[own[rating], entry]
        return result[again]


def rows_of(known: Integers, movie_ids: ArrayLike) -> NDArray[np.int64]:
    """The place of each movie among the ascending ids `known`, -1 for one that is not there."""
    wanted = np.asarray(movie_ids, np.int64)
    if not len(known):
        return np.full(len(wanted), -1)
    rows = np.minimum(known.searchsorted(wanted), len(known) - 1)
    return np.where(known[rows] == wanted, rows, -1)

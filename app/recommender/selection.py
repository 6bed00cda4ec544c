"""The largest few of many values, exactly and in a total order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import Floats, Integers


def top(values: Floats, order: NDArray[Any], n: int) -> NDArray[np.int64]:
    """The rows of the n largest values, largest first, ties by `order`; minus infinity is left out."""
    if 0 < n < len(values):
        threshold = np.partition(values, len(values) - n)[len(values) - n]
        rows = np.flatnonzero(values >= threshold)  # more than n where the last place is shared
    else:
        rows = np.arange(len(values))
    rows = rows[values[rows] > -np.inf]
    return rows[np.lexsort((order[rows], -values[rows]))][: max(n, 0)]


def keep_best(
    best_places: Integers, best: NDArray[np.float64], places: Integers, values: NDArray[np.float64]
) -> None:
    """Merge `values` [targets, more] into `best` [targets, n], in place; of equal ones the first wins."""
    every_place = np.concatenate([best_places, places], axis=1)
    every = np.concatenate([best, values], axis=1)
    targets = np.arange(len(every))
    for column in range(best.shape[1]):
        largest = every.argmax(1)
        best[:, column] = every[targets, largest]
        best_places[:, column] = every_place[targets, largest]
        every[targets, largest] = -np.inf

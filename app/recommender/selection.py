"""The largest few of many values, exactly and in a total order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import Floats


def top(values: Floats, order: NDArray[Any], n: int) -> NDArray[np.int64]:
    """The rows of the n largest values, largest first, ties by `order`; minus infinity is left out."""
    if 0 < n < len(values):
        threshold = np.partition(values, len(values) - n)[len(values) - n]
        rows = np.flatnonzero(values >= threshold)  # more than n where the last place is shared
    else:
        rows = np.arange(len(values))
    rows = rows[values[rows] > -np.inf]
    return rows[np.lexsort((order[rows], -values[rows]))][: max(n, 0)]

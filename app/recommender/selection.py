"""The best few of many scores, exactly and in a total order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import Floats


def top(scores: Floats, order: NDArray[Any], n: int) -> NDArray[np.int64]:
    """The rows of the n best scores, best first, ties by `order`; those at minus infinity are out."""
    if 0 < n < len(scores):
        threshold = np.partition(scores, len(scores) - n)[len(scores) - n]
        rows = np.flatnonzero(scores >= threshold)  # more than n where the last place is shared
    else:
        rows = np.arange(len(scores))
    rows = rows[scores[rows] > -np.inf]
    return rows[np.lexsort((order[rows], -scores[rows]))][: max(n, 0)]

"""The linear system that training, fold-in and explanations solve."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def solve(rows: Array, diagonal: Array, right: Array) -> Array:
    """``(diag(diagonal) + rows' rows)^-1 right``, for one system or a stack of them.

    rows [..., n, k], diagonal [..., k] > 0, right [..., k, m]. With n < k an n x n system
    is solved instead (the Woodbury identity; Golub and Van Loan, Matrix Computations, section 2.1.4).
    """
    n, k = rows.shape[-2:]
    if n >= k:
        matrix = np.swapaxes(rows, -1, -2) @ rows
        matrix[..., range(k), range(k)] += diagonal
        return np.linalg.solve(matrix, right)
    inverse = 1 / diagonal
    scaled = rows * inverse[..., None, :]  # [..., n, k]
    small = scaled @ np.swapaxes(rows, -1, -2)
    small[..., range(n), range(n)] += 1
    first = right * inverse[..., None]
    if n == 0:
        return first
    return first - np.swapaxes(scaled, -1, -2) @ np.linalg.solve(small, scaled @ right)

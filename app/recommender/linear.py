"""The linear system that training, fold-in and explanations solve."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Solve = Callable[[Array], Array]


def solve(rows: Array, diagonal: Array, right: Array) -> Array:
    """``(diag(diagonal) + rows' rows)^-1 right``, for one system or a stack of them.

    rows [..., n, k], diagonal [..., k] > 0, right [..., k, m]. Rows in single precision are multiplied in it;
    the system is solved in that of the diagonal.
    """
    return prepared(rows, diagonal)(right)


def prepared(rows: Array, diagonal: Array) -> Solve:
    """What solves these systems for any right side.

    With n < k an n x n system is solved instead (the Woodbury identity; Golub and Van Loan, Matrix
    Computations, section 2.1.4).
    """
    n, k = rows.shape[-2:]
    if n >= k:
        matrix = (np.swapaxes(rows, -1, -2) @ rows).astype(np.result_type(rows, diagonal), copy=False)
        _diagonal_of(matrix)[...] += diagonal
        return partial(np.linalg.solve, matrix)
    inverse = 1 / diagonal
    scaled = rows * inverse[..., None, :]  # [..., n, k]
    small = scaled @ np.swapaxes(rows, -1, -2)
    _diagonal_of(small)[...] += 1

    def by_the_small_one(right: Array) -> Array:
        first = right * inverse[..., None]
        if n == 0:
            return first
        return first - np.swapaxes(scaled, -1, -2) @ np.linalg.solve(small, scaled @ right)

    return by_the_small_one


def _diagonal_of(matrix: Array) -> Array:
    """A view."""
    view: Array = np.einsum("...ii->...i", matrix)
    return view

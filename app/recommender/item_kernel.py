"""Products of all pairs of movies, compiled by numba: for the worker, like `kernel`."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from os import cpu_count
from typing import cast

import numpy as np

from app.arrays import Floats
from app.compilation import compiled
from app.recommender.interactions import Csr
from app.recommender.transposition import transpose

ROWS = 64
"""Movies in a piece of work."""


class SparseProducts:
    """Row by row of the result, which one thread sums in the order of the users: same bytes on any number."""

    dense = False

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or cpu_count()

    def __call__(self, weights: Csr, tell: Callable[[], None]) -> Floats:
        raters = transpose(weights)
        matrix = np.zeros((weights.columns, weights.columns), np.float32)
        tables = (
            raters.indptr,
            raters.indices,
            raters.values,
            weights.indptr,
            weights.indices,
            weights.values,
        )

        def add(first: int) -> None:
            add_products(first, min(first + ROWS, weights.columns), *tables, matrix)

        add_products(0, 0, *tables, matrix)  # compiled here, so that the pieces take as long as their work
        with ThreadPoolExecutor(self._threads) as pool:
            pieces = cast(Generator[None], pool.map(add, range(0, weights.columns, ROWS)))
            with closing(pieces):
                for _ in pieces:
                    tell()
        return matrix


@compiled()
def add_products(  # type: ignore[no-untyped-def]
    first, last, starts, users, of_movie, ends, movies, of_user, out
):
    """Add to out[i, j] for first <= i < last and j <= i, by the raters of a movie and all that they rated."""
    for i in range(first, last):
        row = out[i]
        for e in range(starts[i], starts[i + 1]):
            user, weight = users[e], of_movie[e]
            for f in range(ends[user], ends[user + 1]):
                j = movies[f]
                if j > i:
                    break
                row[j] += weight * of_user[f]

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
from app.recommender.item_training import Strips, tiles_of, zeros
from app.recommender.transposition import transpose

ROWS = 64
"""Movies in a piece of work."""


class SparseProducts:
    """Row by row of the result, which one thread sums in the order of the users: same bytes on any number."""

    dense = False

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or cpu_count()

    def __call__(self, weights: Csr, tell: Callable[[], None]) -> Strips:
        raters, strips = transpose(weights), zeros(weights.columns)
        tables = (
            raters.indptr,
            raters.indices,
            raters.values,
            weights.indptr,
            weights.indices,
            weights.values,
        )

        def add(piece: tuple[slice, Floats]) -> None:
            rows, out = piece
            add_products(rows.start, rows.stop, *tables, out)

        pieces = [
            (slice(first, min(first + ROWS, tile.stop)), strip[first - tile.start :])
            for tile, strip in zip(tiles_of(weights.columns), strips, strict=True)
            for first in range(tile.start, tile.stop, ROWS)
        ]
        nothing = np.zeros((0, 0), np.float32)
        add((slice(0, 0), nothing))  # compiled here, so that the pieces take as long as their work
        with ThreadPoolExecutor(self._threads) as pool:
            added = cast(Generator[None], pool.map(add, pieces))
            with closing(added):
                for _ in added:
                    tell()
        return strips


@compiled()
def add_products(  # type: ignore[no-untyped-def]
    first, last, starts, users, of_movie, ends, movies, of_user, out
):
    """Add to out[i - first, j], first <= i < last and j <= i, by the raters of i and all that they rated."""
    for i in range(first, last):
        row = out[i - first]
        for e in range(starts[i], starts[i + 1]):
            user, weight = users[e], of_movie[e]
            for f in range(ends[user], ends[user + 1]):
                j = movies[f]
                if j > i:
                    break
                row[j] += weight * of_user[f]

"""The item-item half in closed form: EASE (Steck 2019), over the most rated movies.

With X the weights of the ratings [U, N], ``P = (X'X + lambda I)^-1`` and ``B = -P / diag(P)`` by columns and
zero on the diagonal, predicts each movie from all others with the least squared error. Of each row of B the
largest weights are kept.

P is found by sweeping tile after tile of the matrix, in place (the sweep operator; Goodnight 1979): N^3
operations, all of them products of tiles. Each is computed by one thread in one order, so the bytes are the
same with any number of threads.
"""

from bisect import bisect_right
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from os import cpu_count
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from app.arrays import Floats, Integers
from app.recommender.als import Progress
from app.recommender.interactions import DISLIKED, Csr, Interactions, Rows
from app.recommender.item_weights import ItemWeights

TILE = 512
DENSE = 1 << 23
"""Numbers in a dense block of users: 32 MB."""
WORK, LEAST_WORK = 500_000, 2_000_000_000
"""Multiplications that may be spent for each rating, and on any data: about as long as the factors take."""
LEAST_LIKES = 5
"""Movies that fewer users like have no item weights."""
PENALTY_PER_RATING, LEAST_PENALTY, LARGEST_PENALTY = 1 / 2_000, 50.0, 500.0
"""Lambda: 50 at 100 thousand ratings, 500 from a million up."""


@dataclass(frozen=True)
class ItemSettings:
    """`memory`: bytes of the matrix of all pairs of movies, which there is only in the training."""

    memory: int = 256_000_000
    width: int = 200  # weights of each movie that are kept
    covered: float = 0.8  # the share of the ratings whose movies must have item weights: else the blend loses


class LeftOut(ValueError):
    """The item-item half cannot be built, for the reason that it says; the factors are served alone."""


class Products(Protocol):
    """``X'X`` of the weights X [U, N]: [N, N], of which only the lower triangle counts.

    `dense`: whether it takes U N^2 operations. `tell` is called now and then; it may raise.
    """

    dense: bool

    def __call__(self, weights: Csr, tell: Callable[[], None]) -> Floats: ...


def train_items(
    interactions: Interactions,
    settings: ItemSettings,
    products: Products,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[ItemWeights, dict[str, Any]]:
    """The item weights, and how they were made. Raises `LeftOut` with the reason if there are none.

    `progress` is called with (tiles done, tiles in all) and may raise to cancel.
    """
    chosen = choose(interactions, settings, products.dense)
    weights = restricted(interactions.confidences(), chosen)
    penalty = min(max(len(interactions) * PENALTY_PER_RATING, LEAST_PENALTY), LARGEST_PENALTY)
    tiles = tiles_of(len(chosen))
    done = 0

    def tell(more: int = 0) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done, 2 * len(tiles))

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads or cpu_count()) as pool:
        matrix = products(weights, tell)
        del weights
        matrix[np.diag_indices_from(matrix)] += np.float32(penalty)
        for tile in tiles:
            sweep(pool, matrix, tile, tiles, tell)
            tell(1)
        columns, values = _largest(matrix, tiles, min(settings.width, len(chosen) - 1), tell)
    items = ItemWeights(interactions.movie_ids[chosen], columns, values)
    made = {
        "movies": len(chosen),
        "width": columns.shape[1],
        "lambda": round(penalty, 3),
        "share": items.share,
    }
    return items, made


def choose(interactions: Interactions, settings: ItemSettings, dense: bool) -> Integers:
    """The columns [N], ascending, of the most rated movies, as many as memory and work allow."""
    counts = interactions.counts()
    table = interactions.scores
    if len(interactions.user_ids) < 2:
        raise LeftOut("there are ratings of fewer than two users")
    likes = table.counts(table.values > DISLIKED)
    order = np.lexsort((interactions.movie_ids, -counts))
    order = order[likes[order] >= LEAST_LIKES]
    if len(order) < 2:
        raise LeftOut(f"fewer than two movies are liked by {LEAST_LIKES} users")
    work = max(WORK * len(interactions), LEAST_WORK)
    users = len(interactions.user_ids) if dense else 0
    by_work = bisect_right(range(len(order) + 1), work, key=lambda n: n * n * (n + users)) - 1
    by_memory = int((settings.memory / 4) ** 0.5)
    chosen = order[: min(by_work, by_memory)]
    covered = counts[chosen].sum() / counts.sum()
    if len(chosen) < 2 or covered < settings.covered:
        bound = "memory" if by_memory <= by_work else "work"
        raise LeftOut(
            f"the {bound} allowed suffices for {len(chosen)} movies with {covered:.0%} of the ratings; "
            f"with less than {settings.covered:.0%} the blend is no better"
        )
    return np.sort(chosen)


def restricted(weights: Csr, columns: Integers) -> Csr:
    """Only these columns, numbered from 0."""
    place = np.full(weights.columns, -1, np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    found = place[weights.indices]
    return Csr(weights.indptr, found, weights.values, len(columns)).select(found >= 0)


class DenseProducts:
    """By blocks of users as dense matrices: for data too small to be worth a compiler."""

    dense = True

    def __call__(self, weights: Csr, tell: Callable[[], None]) -> Floats:
        matrix = np.zeros((weights.columns, weights.columns), np.float32)
        rows = weights.row_numbers()
        step = max(1, DENSE // max(1, weights.columns))
        for first in range(0, weights.rows, step):
            last = min(first + step, weights.rows)
            part = slice(int(weights.indptr[first]), int(weights.indptr[last]))
            block = np.zeros((last - first, weights.columns), np.float32)
            block[rows[part] - first, weights.indices[part]] = weights.values[part]
            for tile in tiles_of(weights.columns):
                matrix[tile, : tile.stop] += block[:, tile].T @ block[:, : tile.stop]
                tell()
        return matrix


def sweep(
    pool: ThreadPoolExecutor,
    matrix: Floats,
    pivot: slice,
    tiles: list[slice],
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Sweep one tile of a symmetric matrix, of which only the lower triangle of tiles is kept, in place.

    Once all are swept, the matrix is the negative of its inverse. Raises `LinAlgError` if it has none.
    """
    inverse = np.linalg.inv(_whole(matrix[pivot, pivot]).astype(np.float64)).astype(np.float32)
    column = np.concatenate([matrix[pivot, : pivot.start].T, matrix[pivot.start :, pivot]])
    scaled = column @ inverse

    def strip(tile: slice) -> None:
        matrix[tile, : tile.stop] -= scaled[tile] @ column[: tile.stop].T

    for _ in pool.map(strip, tiles):
        tell()
    # What the products did to the row and the column of the tile itself is replaced.
    matrix[pivot, pivot] = -inverse
    matrix[pivot, : pivot.start] = scaled[: pivot.start].T
    matrix[pivot.stop :, pivot] = scaled[pivot.stop :]


def tiles_of(n: int) -> list[slice]:
    return [slice(first, last) for first, last in pairwise([*range(0, n, TILE), n])]


def _whole(lower: Floats) -> Floats:
    """A symmetric matrix from its lower triangle."""
    return np.tril(lower) + np.tril(lower, -1).T


def _largest(
    swept: Floats, tiles: list[slice], width: int, tell: Callable[[int], None]
) -> tuple[Rows, Floats]:
    """The largest weights of each row of B and their columns, [N, width], from -P. Raises `LeftOut`."""
    diagonal = -np.diag(swept)
    if not (np.isfinite(diagonal).all() and (diagonal > 0).all()):
        raise LeftOut("the matrix of all pairs of movies is singular in single precision")
    columns = np.empty((len(swept), width), np.int32)
    values = np.empty((len(swept), width), np.float32)
    for tile in tiles:
        whole = np.concatenate(
            [swept[tile, : tile.start], _whole(swept[tile, tile]), swept[tile.stop :, tile].T], 1
        )
        whole /= diagonal
        whole[np.arange(len(whole)), np.arange(tile.start, tile.stop)] = 0
        found = np.argpartition(-np.abs(whole), width - 1, axis=1)[:, :width]
        found.sort(axis=1)
        columns[tile], values[tile] = found, np.take_along_axis(whole, found, 1)
        tell(1)
    if not np.isfinite(values).all():
        raise LeftOut("the matrix of all pairs of movies is singular in single precision")
    return columns, values

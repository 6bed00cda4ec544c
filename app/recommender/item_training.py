"""The item-item half in closed form: EASE (Steck 2019), over the most rated movies.

With X the weights of the ratings [U, N], ``P = (X'X + lambda I)^-1`` and ``B = -P / diag(P)`` by columns and
zero on the diagonal, predicts each movie from all others with the least squared error. Of each row of B the
largest weights are kept.

P is found by sweeping tile after tile of the matrix, in place (the sweep operator; Goodnight 1979): N^3
operations, all of them products of tiles. Each is computed by one thread in one order, so the bytes are the
same with any number of threads. Of the symmetric matrix there is the lower triangle alone, as a strip for
each tile: its rows, up to its last column.
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
    """`memory`: bytes of half the matrix of all pairs of movies, which there is only in the training."""

    memory: int = 128_000_000
    width: int = 200  # weights of each movie that are kept
    covered: float = 0.8  # the share of the ratings whose movies must have item weights: else the blend loses


class LeftOut(ValueError):
    """The item-item half cannot be built, for the reason that it says; the factors are served alone."""


Strips = list[Floats]
"""Of each tile [rows, columns up to its last]; what lies above the diagonal in it does not count."""


class Products(Protocol):
    """``X'X`` of the weights X [U, N], in strips.

    `dense`: whether it takes U N^2 operations. `tell` is called now and then; it may raise.
    """

    dense: bool

    def __call__(self, weights: Csr, tell: Callable[[], None]) -> Strips: ...


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
        strips = products(weights, tell)
        del weights
        for tile, strip in zip(tiles, strips, strict=True):
            np.einsum("ii->i", strip[:, tile])[...] += np.float32(penalty)
        for pivot in range(len(tiles)):
            sweep(pool, strips, pivot, tiles, tell)
            tell(1)
        columns, values = _largest(strips, tiles, min(settings.width, len(chosen) - 1), tell)
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
    by_memory = int((settings.memory / 2) ** 0.5)
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

    def __call__(self, weights: Csr, tell: Callable[[], None]) -> Strips:
        tiles, strips = tiles_of(weights.columns), zeros(weights.columns)
        rows = weights.row_numbers()
        step = max(1, DENSE // max(1, weights.columns))
        for first in range(0, weights.rows, step):
            last = min(first + step, weights.rows)
            part = slice(int(weights.indptr[first]), int(weights.indptr[last]))
            block = np.zeros((last - first, weights.columns), np.float32)
            block[rows[part] - first, weights.indices[part]] = weights.values[part]
            for tile, strip in zip(tiles, strips, strict=True):
                np.add(strip, block[:, tile].T @ block[:, : tile.stop], out=strip)
                tell()
        return strips


def sweep(
    pool: ThreadPoolExecutor,
    strips: Strips,
    pivot: int,
    tiles: list[slice],
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Sweep the tile number `pivot` of a symmetric matrix, in place.

    Once all are swept, the matrix is the negative of its inverse. Raises `LinAlgError` if it has none.
    """
    tile, own = tiles[pivot], strips[pivot]
    inverse = np.linalg.inv(_whole(own[:, tile]).astype(np.float64)).astype(np.float32)
    column = np.concatenate([own[:, : tile.start].T, *(strip[:, tile] for strip in strips[pivot:])])
    scaled = column @ inverse

    def update(number: int) -> None:
        rows = tiles[number]
        strips[number] -= scaled[rows] @ column[: rows.stop].T

    for _ in pool.map(update, range(len(tiles))):
        tell()
    # What the products did to the row and the column of the tile itself is replaced.
    own[:, tile] = -inverse
    own[:, : tile.start] = scaled[: tile.start].T
    for rows, strip in zip(tiles[pivot + 1 :], strips[pivot + 1 :], strict=True):
        strip[:, tile] = scaled[rows]


def tiles_of(n: int) -> list[slice]:
    return [slice(first, last) for first, last in pairwise([*range(0, n, TILE), n])]


def zeros(n: int) -> Strips:
    return [np.zeros((tile.stop - tile.start, tile.stop), np.float32) for tile in tiles_of(n)]


def _whole(lower: Floats) -> Floats:
    """A symmetric matrix from its lower triangle."""
    return np.tril(lower) + np.tril(lower, -1).T


def _largest(
    swept: Strips, tiles: list[slice], width: int, tell: Callable[[int], None]
) -> tuple[Rows, Floats]:
    """The largest weights of each row of B and their columns, [N, width], from -P. Raises `LeftOut`."""
    diagonal = -np.concatenate([np.diag(strip[:, tile]) for tile, strip in zip(tiles, swept, strict=True)])
    if not (np.isfinite(diagonal).all() and (diagonal > 0).all()):
        raise LeftOut("the matrix of all pairs of movies is singular in single precision")
    columns = np.empty((len(diagonal), width), np.int32)
    values = np.empty((len(diagonal), width), np.float32)
    for number, (tile, own) in enumerate(zip(tiles, swept, strict=True)):
        below = (strip[:, tile].T for strip in swept[number + 1 :])
        whole = np.concatenate([own[:, : tile.start], _whole(own[:, tile]), *below], 1)
        whole /= diagonal
        whole[np.arange(len(whole)), np.arange(tile.start, tile.stop)] = 0
        found = np.argpartition(-np.abs(whole), width - 1, axis=1)[:, :width]
        found.sort(axis=1)
        columns[tile], values[tile] = found, np.take_along_axis(whole, found, 1)
        tell(1)
    if not np.isfinite(values).all():
        raise LeftOut("the matrix of all pairs of movies is singular in single precision")
    return columns, values

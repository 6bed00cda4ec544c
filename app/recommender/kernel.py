"""The training kernel: the objective of `als` by conjugate gradients, compiled by numba.

For the worker, and for data above some hundred thousand ratings; the serving code never imports this file.

A row's normal equations are ``(diag(d) + Y' W Y) x = Y' W 1``, with Y the factors of the n columns that
it has entries in and ``d = alpha0 * gram + penalty``, diagonal since both sides are kept in the eigenbasis
of the fixed side's Gram matrix. So a step of conjugate gradients costs n k, not k^2 + n k (Takacs,
Pilaszy, Tikk 2011, have the dense form), and dividing by d preconditions it (Shewchuk 1994, section 12).
Two steps from the last sweep's solution track the exact one.

The compiler vectorises the inner loops: k is a constant to it, rows are contiguous, and sums may be
reordered (fastmath). Four columns at a time keep that many cache misses in flight.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from itertools import islice, pairwise
from os import cpu_count
from typing import cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.arrays import Floats
from app.compilation import compiled
from app.recommender.als import DEFAULTS, Progress, TrainSettings, first_factors
from app.recommender.interactions import Csr, Interactions
from app.recommender.model import Model, Objective

LANES = 16
"""The number of factors is a multiple of this."""
STEPS = 2
"""Of conjugate gradients, for each row and half sweep."""
CHUNKS, CHUNK = 64, 20_000
"""Chunks of a half sweep, and the fewest entries that are worth a chunk."""
ZERO, ONE = np.float32(0), np.float32(1)
SOLVED = np.float32(1e-30)
"""Squared residual below which a further step would divide by a number that has underflowed."""
BLOCK = 4_096
"""Rows of factors in one step of a sum."""

fast = compiled(fastmath=True, error_model="numpy")


def train(
    interactions: Interactions,
    settings: TrainSettings = DEFAULTS,
    *,
    start: Floats | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> Model:
    """See `als.Trainer`; the same bytes with any number of threads. Raises `ValueError` if k % 16."""
    if settings.factors % LANES:
        raise ValueError(f"{settings.factors} factors; set a multiple of {LANES}")
    weights = interactions.confidences()
    objective = settings.objective(weights.rows, weights.columns)
    movies = np.array(first_factors(weights.columns, settings) if start is None else start, np.float32)
    users = np.zeros((weights.rows, settings.factors), np.float32)
    halves, done = 2 * settings.sweeps, 0

    def tell() -> None:
        if progress:
            progress(done, halves)

    with closing(alternate(weights, movies, objective, threads, tell)) as sides:
        for both in islice(sides, halves):
            users, movies = both
            done += 1
            tell()
    with threadpool_limits(1, user_api="blas"):
        return Model.rotated(
            interactions.movie_ids,
            movies,
            gram(users),
            support=np.bincount(weights.indices, minlength=weights.columns),
            counts=interactions.counts(),
            objective=objective,
            settings=asdict(settings),
        )


def alternate(
    weights: Csr,
    movies: Floats,
    objective: Objective,
    threads: int | None = None,
    tell: Callable[[], None] = lambda: None,
) -> Generator[tuple[Floats, Floats]]:
    """User factors [U, k] and movie factors [M, k] after each half sweep, users first, without end.

    `tell` is called between the chunks of a half sweep.
    """
    transposed = transpose(weights)
    users = np.zeros((weights.rows, movies.shape[1]), np.float32)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads or cpu_count()) as pool:
        while True:
            users, movies = half_sweep(
                pool, weights, users, movies, objective, objective.user_offset, tell=tell
            )
            yield users, movies
            movies, users = half_sweep(
                pool, transposed, movies, users, objective, objective.movie_offset, tell=tell
            )
            yield users, movies


def half_sweep(
    pool: ThreadPoolExecutor,
    weights: Csr,
    solution: Floats,
    fixed: Floats,
    objective: Objective,
    offset: float,
    steps: int = STEPS,
    tell: Callable[[], None] = lambda: None,
) -> tuple[Floats, Floats]:
    """Better factors [rows, k] for the rows of `weights`, from those given and `fixed` [columns, k].

    Returns both, turned into the eigenbasis of ``fixed' fixed``. Rows without entries become zero.
    """
    values, basis = np.linalg.eigh(gram(fixed))
    turn = basis.astype(np.float32)
    solution, fixed = solution @ turn, fixed @ turn
    penalties = objective.diagonal(np.zeros(1), weights.lengths, offset)[:, 0].astype(np.float32)
    shared = (objective.unobserved * np.maximum(values, 0)).astype(np.float32)
    lanes = (0,) * (fixed.shape[1] // LANES)
    table = (weights.indptr, weights.indices, weights.values, np.float32(objective.linear))

    def solve(rows: tuple[int, int]) -> None:
        solve_rows(lanes, *rows, *table, fixed, shared, penalties, steps, solution)

    solve((0, 0))  # compiled here, so that the chunks take as long as their work
    with closing(cast(Generator[None], pool.map(solve, chunks(weights)))) as solved:
        for number, _ in enumerate(solved):
            if number:
                tell()
    return solution, fixed


@fast
def solve_rows(  # type: ignore[no-untyped-def]
    lanes, first, last, indptr, indices, weights, linear, fixed, shared, penalties, steps, solution
):
    """Improve solution[first:last] in place; `len(lanes)` makes k a constant to the compiler."""
    k = LANES * len(lanes)
    diagonal, residual = np.empty(k, np.float32), np.empty(k, np.float32)
    direction, image = np.empty(k, np.float32), np.empty(k, np.float32)
    for row in range(first, last):
        x = solution[row]
        here = slice(indptr[row], indptr[row + 1])
        if here.start == here.stop:
            x[:] = 0
            continue
        for f in range(k):
            diagonal[f] = shared[f] + penalties[row]
            residual[f] = -diagonal[f] * x[f]
        entries = (indices[here], weights[here], linear, fixed)
        add_product(lanes, *entries, x, ONE, -ONE, residual)
        norm = ZERO
        for f in range(k):
            direction[f] = residual[f] / diagonal[f]
            norm += residual[f] * direction[f]
        for _ in range(steps):
            if norm < SOLVED:
                break
            for f in range(k):
                image[f] = diagonal[f] * direction[f]
            add_product(lanes, *entries, direction, ZERO, ONE, image)
            norm = advance(lanes, x, residual, direction, image, diagonal, norm)


@fast
def add_product(  # type: ignore[no-untyped-def]
    lanes, columns, weights, linear, fixed, vector, target, sign, out
):
    """out [k] += sum over the n entries of (target * (weight + linear) + sign * weight * y.vector) * y."""
    k = LANES * len(lanes)
    n, extra = len(columns), target * linear
    for e in range(0, n - 3, 4):
        y0, y1 = fixed[columns[e]], fixed[columns[e + 1]]
        y2, y3 = fixed[columns[e + 2]], fixed[columns[e + 3]]
        dot0 = dot1 = dot2 = dot3 = ZERO
        for f in range(k):
            dot0 += vector[f] * y0[f]
            dot1 += vector[f] * y1[f]
            dot2 += vector[f] * y2[f]
            dot3 += vector[f] * y3[f]
        c0, c1 = extra + weights[e] * (target + sign * dot0), extra + weights[e + 1] * (target + sign * dot1)
        c2, c3 = (
            extra + weights[e + 2] * (target + sign * dot2),
            extra + weights[e + 3] * (target + sign * dot3),
        )
        for f in range(k):
            out[f] += c0 * y0[f] + c1 * y1[f] + c2 * y2[f] + c3 * y3[f]
    for e in range(n - n % 4, n):
        y = fixed[columns[e]]
        dot = ZERO
        for f in range(k):
            dot += vector[f] * y[f]
        c = extra + weights[e] * (target + sign * dot)
        for f in range(k):
            out[f] += c * y[f]


@fast
def advance(lanes, x, residual, direction, image, diagonal, norm):  # type: ignore[no-untyped-def]
    """Take one step of preconditioned conjugate gradients, in place; returns the norm of the new residual."""
    k = LANES * len(lanes)
    curvature = ZERO
    for f in range(k):
        curvature += direction[f] * image[f]
    length = norm / curvature
    new = ZERO
    for f in range(k):
        x[f] += length * direction[f]
        residual[f] -= length * image[f]
        new += residual[f] * residual[f] / diagonal[f]
    for f in range(k):
        direction[f] = residual[f] / diagonal[f] + (new / norm) * direction[f]
    return new


def transpose(table: Csr) -> Csr:
    """`Csr.transpose` by counting, in one pass. Raises `ValueError` for a column out of range."""
    validate(table)
    lengths = np.bincount(table.indices, minlength=table.columns)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    rows, values = np.empty_like(table.indices), np.empty_like(table.values)
    scatter(table.indptr, table.indices, table.values, indptr[:-1].copy(), rows, values)
    return Csr(indptr, rows, values, table.rows)


def validate(table: Csr) -> None:
    """Raises `ValueError` unless all indices lie in the table: compiled code checks none of them."""
    indptr, indices = table.indptr, table.indices
    if indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        raise ValueError("indptr does not divide the entries into rows")
    if len(table.values) != len(indices):
        raise ValueError(f"{len(table.values)} values for {len(indices)} entries")
    if len(indices) and not 0 <= indices.min() <= indices.max() < table.columns:
        raise ValueError(f"a column is outside 0 to {table.columns - 1}")


@fast
def scatter(indptr, indices, values, places, rows, turned):  # type: ignore[no-untyped-def]
    """Put each entry at the next place of its column; `places` [columns] advance."""
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            place = places[indices[e]]
            rows[place], turned[place] = row, values[e]
            places[indices[e]] = place + 1


def gram(factors: Floats) -> NDArray[np.float64]:
    """The Gram matrix ``factors' factors`` [k, k]; blocks are summed in double precision."""
    total = np.zeros((factors.shape[1], factors.shape[1]))
    for first in range(0, len(factors), BLOCK):
        block = factors[first : first + BLOCK]
        total += block.T @ block
    return total


def chunks(table: Csr) -> list[tuple[int, int]]:
    """Ranges of rows with about equally many entries."""
    entries = len(table.indices)
    pieces = max(1, min(CHUNKS, entries // CHUNK))
    inner = np.searchsorted(table.indptr, np.linspace(0, entries, pieces + 1)[1:-1])
    bounds = [0, *inner.tolist(), table.rows]
    return list(pairwise(bounds))

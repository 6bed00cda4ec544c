"""The training kernel: the objective of `als` by conjugate gradients, compiled by numba.

For the worker, and for data above some hundred thousand ratings; the serving code never imports this file.

It prepares the half sweeps and divides them into pieces; what a piece does is in `conjugate_gradients`. Both
sides are kept in the eigenbasis of the fixed side's Gram matrix. Two steps from the last sweep's solution
track the exact one; from the third sweep on they are stretched, which gets ahead of it.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from functools import partial
from itertools import count, islice, pairwise
from os import cpu_count
from typing import cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.arrays import Floats, Integers
from app.recommender.als import DEFAULTS, Progress, TrainSettings, first_factors
from app.recommender.conjugate_gradients import LANES, solve_long, solve_short
from app.recommender.interactions import Csr, Interactions
from app.recommender.model import Model, Objective
from app.recommender.transposition import transpose

STEPS = 2
"""Of conjugate gradients, for each row and half sweep."""
STRETCH, STRETCHED_FROM = 1.3, 2
"""What steps are multiplied by, from which sweep on (counted from 0)."""
CHUNKS, CHUNK = 64, 20_000
"""Chunks of a half sweep, and the fewest entries that are worth a chunk."""
LONG, GROUPS, TILE = 2_000, 16, 1 << 18
"""Rows with more entries are solved together, in so many groups; numbers in a tile of factors: 1 MB."""
LINE = 64
"""Bytes of a line of the caches; a vector that lies across two takes two loads."""
BLOCK = 4_096
"""Rows of factors in one step of a sum."""


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
            support=weights.counts(),
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

    The next half sweep overwrites them. `tell` is called between the pieces of a half sweep.
    """
    transposed = transpose(weights)
    users, movies = aligned(np.zeros((weights.rows, movies.shape[1]), np.float32)), aligned(movies)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads or cpu_count()) as pool:
        for sweep in count():
            stretch = STRETCH if sweep >= STRETCHED_FROM else 1.0
            users, movies = half_sweep(
                pool, weights, users, movies, objective, objective.user_offset, stretch=stretch, tell=tell
            )
            yield users, movies
            movies, users = half_sweep(
                pool, transposed, movies, users, objective, objective.movie_offset, stretch=stretch, tell=tell
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
    stretch: float = 1.0,
    tell: Callable[[], None] = lambda: None,
) -> tuple[Floats, Floats]:
    """Better factors [rows, k] for the rows of `weights`, from those given and `fixed` [columns, k].

    Overwrites and returns both, turned into the eigenbasis of ``fixed' fixed``. Rows without entries become
    zero.
    """
    values, basis = np.linalg.eigh(gram(fixed))
    turn(solution, basis.astype(np.float32))
    turn(fixed, basis.astype(np.float32))
    penalties = objective.diagonal(np.zeros(1), weights.lengths, offset)[:, 0].astype(np.float32)
    shared = (objective.unobserved * np.maximum(values, 0)).astype(np.float32)
    lanes, tile = (0,) * (fixed.shape[1] // LANES), max(1, TILE // fixed.shape[1])
    table = (weights.indptr, weights.indices, weights.values, np.float32(objective.linear))
    system = (*table, fixed, shared, penalties, steps, np.float32(stretch), solution)
    most = LONG if weights.columns > tile else len(weights.indices)

    def solve_some(rows: Integers) -> None:
        solve_long(lanes, rows, tile, *system)

    def solve_range(rows: tuple[int, int]) -> None:
        solve_short(lanes, *rows, most, *system)

    pieces: list[Callable[[], None]] = [partial(solve_some, rows) for rows in groups(weights, most)]
    pieces += [partial(solve_range, rows) for rows in chunks(weights, most)]
    solve_some(np.empty(0, np.int64))  # compiled here, so that the pieces take as long as their work
    solve_range((0, 0))
    with closing(cast(Generator[None], pool.map(lambda piece: piece(), pieces))) as solved:
        for number, _ in enumerate(solved):
            if number:
                tell()
    return solution, fixed


def gram(factors: Floats) -> NDArray[np.float64]:
    """The Gram matrix ``factors' factors`` [k, k]; blocks are summed in double precision."""
    total = np.zeros((factors.shape[1], factors.shape[1]))
    for first in range(0, len(factors), BLOCK):
        block = factors[first : first + BLOCK]
        total += block.T @ block
    return total


def turn(factors: Floats, basis: Floats) -> None:
    """``factors basis``, in place."""
    for first in range(0, len(factors), BLOCK):
        block = slice(first, first + BLOCK)
        factors[block] = factors[block] @ basis


def aligned(factors: Floats) -> Floats:
    """A copy of which each row begins at a line of the caches."""
    numbers = np.empty(factors.size + LINE // 4, np.float32)
    first = -numbers.ctypes.data % LINE // 4
    copy = numbers[first : first + factors.size].reshape(factors.shape)
    copy[...] = factors
    return copy


def groups(table: Csr, most: int) -> list[Integers]:
    """The rows with more entries than `most`, in groups with about equally many entries."""
    rows = np.flatnonzero(table.lengths > most)
    ends = np.cumsum(table.lengths[rows])
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1] if len(ends) else 0, GROUPS + 1)[1:-1])
    return [group for group in np.split(rows, cuts) if len(group)]


def chunks(table: Csr, most: int) -> list[tuple[int, int]]:
    """Ranges of rows with about equally many entries; what has more than `most` does not count."""
    ends = np.cumsum(np.where(table.lengths > most, 0, table.lengths))
    entries = int(ends[-1]) if len(ends) else 0
    pieces = max(1, min(CHUNKS, entries // CHUNK))
    inner = np.searchsorted(ends, np.linspace(0, entries, pieces + 1)[1:-1])
    bounds = [0, *inner.tolist(), table.rows]
    return list(pairwise(bounds))

"""Alternating least squares in NumPy: the trainer for up to some hundred thousand ratings.

The objective is that of iALS (Hu, Koren, Volinsky 2008), regularised by frequency (Rendle, Krichene,
Zhang, Koren 2021, section 3)::

    sum over rated pairs of w (1 - x.y)^2  +  alpha0 * sum over all pairs of (x.y)^2
    + lambda * sum over rows of (n + alpha0 N)^nu * |row|^2

with n the row's weighted ratings and N the number of rows of the other side. Each half sweep solves one
side exactly, in the basis in which the other side's Gram matrix is diagonal.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.arrays import Floats
from app.recommender.interactions import Csr, Interactions
from app.recommender.linear import solve
from app.recommender.model import Model, Objective

BATCH = 2_000_000
"""Numbers in one stack of factor rows: 16 MB."""


@dataclass(frozen=True)
class TrainSettings:
    factors: int = 64
    sweeps: int = 8
    regularization: float = 0.006  # lambda; quality collapses where lambda * alpha0 > .005
    unobserved: float = 0.2  # alpha0
    exponent: float = 1.0  # nu
    seed: int = 0

    def objective(self, users: int, movies: int) -> Objective:
        return Objective(
            unobserved=self.unobserved,
            regularization=self.regularization,
            exponent=self.exponent,
            user_offset=self.unobserved * movies,
            movie_offset=self.unobserved * users,
        )


DEFAULTS = TrainSettings()
Progress = Callable[[int, int], None]


class Trainer(Protocol):
    """Trains a model; the same ratings, settings and start give the same bytes.

    `start`: movie factors [M, k] to begin with. `progress` is called with (half sweeps done, half sweeps in
    all) after each half sweep and now and then within a long one; it may raise to cancel the training.
    """

    def __call__(
        self,
        interactions: Interactions,
        settings: TrainSettings,
        *,
        start: Floats | None = None,
        progress: Progress | None = None,
    ) -> Model: ...


def train(
    interactions: Interactions,
    settings: TrainSettings = DEFAULTS,
    *,
    start: Floats | None = None,
    progress: Progress | None = None,
) -> Model:
    """See `Trainer`. Uses one thread: with more, BLAS sums in another order and the bytes differ."""
    weights = interactions.confidences()
    transposed = weights.transpose()
    objective = settings.objective(weights.rows, weights.columns)
    movies = np.array(first_factors(weights.columns, settings) if start is None else start, np.float64)
    users = np.zeros((weights.rows, settings.factors))
    with threadpool_limits(1, user_api="blas"):
        for half in range(2 * settings.sweeps):
            if half % 2 == 0:
                users, movies = half_sweep(weights, movies, objective, objective.user_offset)
            else:
                movies, users = half_sweep(transposed, users, objective, objective.movie_offset)
            if progress:
                progress(half + 1, 2 * settings.sweeps)
        return Model.rotated(
            interactions.movie_ids,
            movies,
            users.T @ users,
            support=transposed.lengths,
            counts=interactions.counts(),
            objective=objective,
            settings=asdict(settings),
        )


def first_factors(movies: int, settings: TrainSettings) -> Floats:
    """Random factors [movies, k] of expected length .1."""
    random = np.random.default_rng(settings.seed)
    scale = np.float32(0.1 / np.sqrt(settings.factors))
    return random.standard_normal((movies, settings.factors), np.float32) * scale


def half_sweep(
    weights: Csr, fixed: NDArray[np.float64], objective: Objective, offset: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Solve the rows of `weights` given the factors `fixed` of its columns.

    Returns the solution [rows, k] and `fixed` [columns, k], both in the eigenbasis of ``fixed' fixed``.
    """
    gram, basis = np.linalg.eigh(fixed.T @ fixed)
    fixed = fixed @ basis
    solution = np.zeros((weights.rows, fixed.shape[1]))
    for rows, n in _batches(weights.lengths, fixed.shape[1]):
        entries = weights.indptr[rows][:, None] + np.arange(n)  # [b, n]
        confident = weights.values[entries].astype(np.float64)
        near = fixed[weights.indices[entries]]  # [b, n, k]
        right = (confident + objective.linear)[:, None, :] @ near  # [b, 1, k]
        near *= np.sqrt(confident)[..., None]
        diagonal = objective.diagonal(np.maximum(gram, 0), n, offset)
        stacked = np.broadcast_to(diagonal, (len(rows), len(diagonal)))
        solution[rows] = solve(near, stacked, right.transpose(0, 2, 1))[..., 0]
    return solution, fixed


def _batches(lengths: NDArray[np.int64], factors: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Stacks of rows with equally many entries n > 0, small enough for the cache; [b] and n of each."""
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    for group in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1) if len(order) else []:
        n = int(lengths[group[0]])
        step = max(1, BATCH // (max(n, factors) * factors))
        for first in range(0, len(group), step):
            yield group[first : first + step], n

"""Models from movie factors that another trainer has found."""

from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from app.arrays import Floats, Integers
from app.recommender import als
from app.recommender.interactions import Csr, Interactions
from app.recommender.item_weights import rows_of
from app.recommender.model import Model, Objective
from app.recommender.training import KERNEL_FROM

LANES = 16
"""The kernel takes multiples of so many factors."""
STEPS = 16
"""Of conjugate gradients, for users that nothing is known of yet."""


def adopt(
    training: Interactions,
    movie_ids: Integers,
    factors: Floats,
    objective: Objective,
    settings: dict[str, Any],
    threads: int | None = None,
) -> Model:
    """The model of these factors [n, k] of the movies [n], for the ratings that are here.

    Its movies are those of the ratings: one without factors has zeros, one that is not rated is left out. The
    users that it needs for movies to come are solved from the ratings, by the objective.
    """
    rows = rows_of(training.movie_ids, movie_ids)
    here = np.zeros((len(training.movie_ids), factors.shape[1]), np.float32)
    here[rows[rows >= 0]] = factors[rows >= 0]
    weights = training.confidences()
    users, movies = _users(weights, here, objective, threads)
    with threadpool_limits(1, user_api="blas"):
        return Model.rotated(
            training.movie_ids,
            movies,
            users.T.astype(np.float64) @ users,
            support=weights.counts(),
            counts=training.counts(),
            objective=objective,
            settings=settings,
        )


def _users(
    weights: Csr, movies: Floats, objective: Objective, threads: int | None
) -> tuple[NDArray[Any], ArrayLike]:
    """The factors of the users [U, k], and those of the movies [M, k] in the same basis."""
    if len(weights.values) < KERNEL_FROM:
        with threadpool_limits(1, user_api="blas"):
            return als.half_sweep(weights, movies.astype(np.float64), objective, objective.user_offset)
    from app.recommender import kernel

    movies = kernel.aligned(np.pad(movies, ((0, 0), (0, -movies.shape[1] % LANES))))
    nothing = np.zeros((weights.rows, movies.shape[1]), np.float32)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads or cpu_count()) as pool:
        return kernel.half_sweep(
            pool, weights, nothing, movies, objective, objective.user_offset, steps=STEPS
        )

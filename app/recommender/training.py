"""Which trainer for how much data."""

import functools

from app.recommender import als
from app.recommender.als import Trainer

KERNEL_FROM = 300_000  # ratings; below, NumPy is done before numba is loaded


def trainer_for(ratings: int, threads: int | None = None) -> Trainer:
    """The NumPy trainer, or the kernel for large data; loads numba only for that (a worker's business).

    `threads`: of the kernel, one a processor by default.
    """
    if ratings < KERNEL_FROM:
        return als.train
    from app.recommender import kernel

    return functools.partial(kernel.train, threads=threads)

"""Chooses the trainer by the amount of data."""

import functools

from app.recommender import als
from app.recommender.als import Trainer

KERNEL_FROM = 300_000
"""Ratings; below, NumPy has finished before numba is loaded."""


def trainer_for(ratings: int, threads: int | None = None) -> Trainer:
    """The NumPy trainer, or the kernel for large data; only that loads numba, so only a worker does.

    `threads` of the kernel: by default one a processor.
    """
    if ratings < KERNEL_FROM:
        return als.train
    from app.recommender import kernel

    return functools.partial(kernel.train, threads=threads)

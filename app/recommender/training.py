"""Chooses trainers and sizes by the amount of data."""

import functools

from app.recommender import als
from app.recommender.als import Trainer
from app.recommender.item_training import DenseProducts, Products

KERNEL_FROM = 300_000
"""Ratings; below, NumPy has finished before numba is loaded."""
AUTO = "auto"
FACTORS, MORE_FACTORS, MORE_FROM = 64, 128, 5_000_000
"""With item weights beside them 128 factors gain nothing at 100 thousand ratings (docs/recommender.md)."""


def trainer_for(ratings: int, threads: int | None = None) -> Trainer:
    """The NumPy trainer, or the kernel for large data; only that loads numba, so only a worker does.

    `threads` of the kernel: by default one a processor.
    """
    if ratings < KERNEL_FROM:
        return als.train
    from app.recommender import kernel

    return functools.partial(kernel.train, threads=threads)


def products_for(ratings: int, threads: int | None = None) -> Products:
    """What multiplies the weights for `train_items`, chosen in the same way."""
    if ratings < KERNEL_FROM:
        return DenseProducts()
    from app.recommender.item_kernel import SparseProducts

    return SparseProducts(threads)


def factors_for(ratings: int, wanted: str = AUTO) -> int:
    """The number of factors k: as wanted, or by the number of ratings."""
    if wanted != AUTO:
        return int(wanted)
    return MORE_FACTORS if ratings >= MORE_FROM else FACTORS

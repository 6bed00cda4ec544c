"""Which trainer for how much data."""

from app.recommender import als
from app.recommender.als import Trainer

KERNEL_FROM = 300_000  # ratings; below, NumPy is done before numba is loaded


def trainer_for(ratings: int) -> Trainer:
    """The NumPy trainer, or the kernel for large data; loads numba only for that (a worker's business)."""
    if ratings < KERNEL_FROM:
        return als.train
    from app.recommender import kernel

    return kernel.train

"""Ratings whose recommendations are known."""

import numpy as np
from numpy.typing import NDArray

from app.recommender.interactions import Interactions
from app.recommender.item_training import DenseProducts, ItemSettings, train_items
from app.recommender.item_weights import ItemWeights


def checkerboard(
    users: int = 80, movies: int = 40, withheld: float = 0.2
) -> tuple[Interactions, NDArray[np.bool_]]:
    """Even users like even movies, odd users odd ones; some likes are missing (True in [users, movies])."""
    likes = (np.arange(users)[:, None] + np.arange(movies)) % 2 == 0
    missing = likes & (np.random.default_rng(0).random(likes.shape) < withheld)
    user, movie = np.nonzero(likes & ~missing)
    return Interactions.from_arrays(user + 1, movie + 100, np.full(len(user), 5.0)), missing


def tastes(users: int, movies: int = 60, seed: int = 0, groups: int = 4) -> Interactions:
    """Users in groups that like every groups-th movie and dislike some others; popular movies more often."""
    random = np.random.default_rng(seed)
    liked = np.arange(users)[:, None] % groups == np.arange(movies) % groups
    seen = random.random((users, movies)) < np.where(liked, 0.5, 0.15)
    user, movie = np.nonzero(seen)
    scores = np.where(
        liked, random.choice([4.0, 4.5, 5.0], liked.shape), random.choice([1.0, 2.0, 3.0], liked.shape)
    )
    return Interactions.from_arrays(user + 1, movie + 1, scores[user, movie])


def random_ratings(users: int, movies: int, n: int, seed: int = 0) -> Interactions:
    random = np.random.default_rng(seed)
    scores = random.integers(1, 11, n) / 2
    return Interactions.from_arrays(random.integers(0, users, n), random.integers(0, movies, n), scores)


def items_for(interactions: Interactions, movies: int, width: int) -> ItemWeights:
    """Item weights of the most rated movies, by ratings that are too few for a rebuild to have any."""
    settings = ItemSettings(memory=2 * movies**2, width=width, covered=0)
    return train_items(interactions, settings, DenseProducts())[0]

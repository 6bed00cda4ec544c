"""Ratings in the shape of MovieLens 20M, from a seed: 138k users, 26.7k movies, 20M ratings.

Users have a few tastes of 32; a movie is of one taste and as popular as a shifted Zipf law says; they
pick mostly what is popular within their tastes, and score it higher the closer it is to their main one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.recommender.interactions import Csr, Interactions

TASTES = 32
USERS_AT_ONCE = 4096
Arrays = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True)
class Shape:
    users: int
    movies: int
    mean: float  # ratings drawn for a user; some fall on the same movie and count once


SHAPES = {
    "small": Shape(610, 9_700, 270.0),
    "100k": Shape(700, 5_000, 430.0),
    "1M": Shape(6_800, 8_000, 400.0),
    "5M": Shape(34_000, 16_000, 270.0),
    "20M": Shape(138_000, 26_700, 250.0),
}


def generate(size: str, seed: int = 0) -> Interactions:
    """The ratings of a size in `SHAPES`; user and movie ids count from 1."""
    shape = SHAPES[size]
    lengths, indices, scores = zip(*_parts(shape, np.random.default_rng(seed)), strict=True)
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    table = Csr(indptr, np.concatenate(indices), np.concatenate(scores), shape.movies)
    return Interactions(np.arange(1, shape.users + 1), np.arange(1, shape.movies + 1), table)


def stored(folder: Path, size: str, seed: int = 0) -> Interactions:
    """The same, kept in a folder: the next call only reads it."""
    names = ("indptr", "indices", "values")
    paths = [folder / f"ratings-{size}-{seed}-{name}.npy" for name in names]
    if not all(path.exists() for path in paths):
        table = generate(size, seed).scores
        for name, path in zip(names, paths, strict=True):
            np.save(path, getattr(table, name))
    shape = SHAPES[size]
    indptr, indices, values = (np.load(path) for path in paths)
    table = Csr(indptr, indices, values, shape.movies)
    return Interactions(np.arange(1, shape.users + 1), np.arange(1, shape.movies + 1), table)


def _parts(shape: Shape, random: np.random.Generator) -> Iterator[Arrays]:
    """Blocks of users: ratings of each [users], movies and scores of each rating."""
    taste = random.integers(0, TASTES, shape.movies)
    popularity = random.permutation(1 / (np.arange(shape.movies) + shape.movies / 150) ** 1.6)
    liking = random.normal(0, 0.35, shape.movies)
    groups = [np.flatnonzero(taste == group) for group in range(TASTES)]
    chances = [np.cumsum(popularity[group]) / popularity[group].sum() for group in groups]
    for first in range(0, shape.users, USERS_AT_ONCE):
        users = min(USERS_AT_ONCE, shape.users - first)
        main = random.dirichlet(np.full(TASTES, 0.15), users)
        lengths = np.clip(
            random.lognormal(np.log(shape.mean) - 0.6, 1.1, users), 20, shape.movies / 4
        ).astype(int)
        user = np.repeat(np.arange(users), lengths)
        drawn = (main.cumsum(1)[user] < random.random(len(user))[:, None]).sum(1).clip(max=TASTES - 1)
        movie = np.empty(len(user), np.int64)
        for group in range(TASTES):
            of_group = drawn == group
            place = np.searchsorted(chances[group], random.random(of_group.sum()))
            movie[of_group] = groups[group][np.minimum(place, len(groups[group]) - 1)]
        key = np.unique(user * shape.movies + movie)
        user, movie = key // shape.movies, key % shape.movies
        closeness = main[user, taste[movie]] / main.max(1)[user]
        raw = 2.9 + 1.2 * closeness + liking[movie] + random.normal(0, 0.4, users)[user]
        score = np.clip(np.round(2 * (raw + random.normal(0, 0.7, len(user)))), 1, 10) / 2
        yield np.bincount(user, minlength=users), movie.astype(np.int32), score.astype(np.float32)

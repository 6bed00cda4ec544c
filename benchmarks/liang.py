"""The protocol of Liang et al. 2018 (Variational Autoencoders for Collaborative Filtering), on MovieLens.

Ratings of 4 and up count, all alike, of users with at least five. Of the users 10,000 are for validation and
10,000 for the test (of fewer users, a tenth each); 80% of what each of those likes is folded in, the rest is
looked for: Recall@20, Recall@50 (of at most so many) and NDCG@100. Permutation, split and seed are those of
the authors' code, so on ML-20M users and movies are the published ones, and the popular list, which has
nothing random in it, must reach .162, .235, .191.
"""

import io
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.arrays import Floats, Integers
from app.recommender.interactions import Interactions
from app.recommender.item_training import sweep, tiles_of
from app.recommender.model import Model
from app.recommender.selection import top
from app.recommender.training import products_for
from benchmarks import synthetic
from benchmarks.report import Report, note

SEED = 98765
HELD_OUT = 10_000
LEAST, LIKED = 5, 4.0
EASE_PENALTY = 500.0
EASE_MEMORY = 2_000_000_000  # bytes of its matrix: 22,000 movies
PUBLISHED = {  # Recall@20, Recall@50, NDCG@100 on ML-20M
    "popularity": (0.162, 0.235, 0.191),
    "EASE (Steck 2019)": (0.391, 0.521, 0.420),
    "Mult-VAE (Liang 2018)": (0.395, 0.537, 0.426),
    "iALS, 2,048 factors (Rendle 2021)": (0.395, 0.532, 0.425),
    "ELSA, 64 factors": (0.359, 0.498, 0.394),
    "RecVAE": (0.414, 0.553, 0.442),
    "VASP": (0.414, 0.552, 0.448),
}
Pairs = tuple[Integers, Integers]
Predict = Callable[[Integers], Floats]
"""From the movie ids that a user likes to the preference for each movie of the training, [M]."""


@dataclass(frozen=True, eq=False)
class Split:
    """`training`: every rating is 4, which weighs 1. The others: folded in and looked for, by user."""

    training: Interactions
    validation: list[Pairs]
    test: list[Pairs]


def likes_of(path: Path | None, size: str) -> Pairs:
    """Users and movies of the ratings of 4 and up, in the order of the file, or of generated ratings."""
    if path is not None and path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("ratings.csv"))
            with archive.open(name) as file:
                columns = np.loadtxt(io.TextIOWrapper(file), delimiter=",", skiprows=1, usecols=(0, 1, 2))
        liked = columns[columns[:, 2] >= LIKED]
        return liked[:, 0].astype(np.int64), liked[:, 1].astype(np.int64)
    from benchmarks.movielens import movielens

    ratings = movielens(path) if path else synthetic.generate(size)
    is_liked = ratings.scores.values >= LIKED
    users = ratings.user_ids[ratings.scores.row_numbers()]
    return users[is_liked], ratings.movie_ids[ratings.scores.indices][is_liked]


def split(users: Integers, movies: Integers) -> Split:
    """As the authors' code does it. Users keep the order of their ids, what they like that of the file."""
    ids, row, counts = np.unique(users, return_inverse=True, return_counts=True)
    kept = counts[row] >= LEAST
    users, movies, ids = users[kept], movies[kept], ids[counts >= LEAST]
    held = min(HELD_OUT, len(ids) // 10)
    order = ids[np.random.RandomState(SEED).permutation(len(ids))]
    trained_on = np.isin(users, order[: len(ids) - 2 * held])
    known = np.unique(movies[trained_on])
    training = Interactions.from_arrays(
        users[trained_on], movies[trained_on], np.full(trained_on.sum(), LIKED)
    )
    parts = []
    for group in (order[len(ids) - 2 * held : len(ids) - held], order[len(ids) - held :]):
        inside = np.isin(users, group) & np.isin(movies, known)
        parts.append(_hold_out(users[inside], movies[inside]))
    return Split(training, *parts)


def _hold_out(users: Integers, movies: Integers) -> list[Pairs]:
    random = np.random.RandomState(SEED)
    order = np.argsort(users, kind="stable")
    starts = np.flatnonzero(np.diff(users[order])) + 1
    parts = []
    for own in np.split(movies[order], starts):
        tested = np.zeros(len(own), bool)
        if len(own) >= LEAST:
            tested[random.choice(len(own), size=int(0.2 * len(own)), replace=False).astype("int64")] = True
        parts.append((own[~tested], own[tested]))
    return [(folded, wanted) for folded, wanted in parts if len(wanted)]


def measure(movie_ids: Integers, users: list[Pairs], predict: Predict) -> tuple[float, float, float]:
    """Recall@20, Recall@50 and NDCG@100, means over the users; ties go to the lower movie id."""
    order, discounts = np.arange(len(movie_ids)), 1 / np.log2(np.arange(2, 102))
    found = np.zeros((len(users), 3))
    for at, (folded, wanted) in enumerate(users):
        predicted = predict(folded)
        predicted[np.searchsorted(movie_ids, folded)] = -np.inf
        hits = np.isin(movie_ids[top(predicted, order, 100)], wanted)
        ideal = discounts[: len(wanted)].sum()
        found[at] = (
            hits[:20].sum() / min(20, len(wanted)),
            hits[:50].sum() / min(50, len(wanted)),
            discounts[: len(hits)][hits].sum() / ideal,
        )
    recall20, recall50, ndcg = found.mean(0).tolist()
    return recall20, recall50, ndcg


def popularity(training: Interactions) -> Predict:
    counts = training.counts().astype(np.float32)
    return lambda _ids: counts.copy()


def ease(training: Interactions) -> Predict:
    """Of all movies, unpruned: the sweeps of our own item weights, in one matrix."""
    weights = training.confidences()
    strips, tiles = products_for(len(training))(weights, lambda: None), tiles_of(weights.columns)
    for tile, strip in zip(tiles, strips, strict=True):
        np.einsum("ii->i", strip[:, tile])[...] += np.float32(EASE_PENALTY)
    with ThreadPoolExecutor(cpu_count()) as pool:
        for pivot in range(len(tiles)):
            sweep(pool, strips, pivot, tiles)
    matrix = np.zeros((weights.columns, weights.columns), np.float32)
    for tile, strip in zip(tiles, strips, strict=True):
        matrix[tile, : tile.stop] = strip
    matrix = np.tril(matrix) + np.tril(matrix, -1).T
    matrix /= -np.diag(matrix).copy()
    np.fill_diagonal(matrix, 0)
    return lambda ids: np.asarray(matrix[np.searchsorted(training.movie_ids, ids)].sum(0))


def of_model(model: Model) -> Predict:
    return lambda ids: model.preferences(ids, np.full(len(ids), LIKED))


def tuned_implicit(training: Interactions, validation: list[Pairs]) -> tuple[str, Model]:
    """The best by NDCG@100 of the users for validation."""
    from benchmarks.quality import implicit

    found: Iterable[tuple[str, Model]] = implicit(training)
    return max(found, key=lambda item: measure(item[1].movie_ids, validation, of_model(item[1]))[2])


def compare(report: Report, path: Path | None, size: str) -> None:
    from benchmarks.movielens import trained

    data = split(*likes_of(path, size))
    training = data.training
    note(f"{len(training)} ratings of {len(training.user_ids)} users, {len(data.test)} to test with")
    model, factors = trained(training)
    rows: list[tuple[str, str, Predict]] = [("popularity", "", popularity(training))]
    if 4 * len(training.movie_ids) ** 2 <= EASE_MEMORY:
        rows.append(("EASE", f"lambda={EASE_PENALTY:g}", ease(training)))
    else:
        note(
            f"EASE is left out: its matrix of {len(training.movie_ids)} movies is over {EASE_MEMORY:,} bytes"
        )
    name, peer = tuned_implicit(training, data.validation)
    rows += [
        ("implicit", f"{name}, tuned on the users for validation", of_model(peer)),
        ("factors alone", "defaults", of_model(factors)),
        ("matinee", f"defaults, k={model.factors.shape[1]}", of_model(model)),
    ]
    found: dict[str, NDArray[np.float64]] = {}
    for name, settings, predict in rows:
        found[name] = np.array(measure(training.movie_ids, data.test, predict))
        _add(report, name, settings, found[name])
    for name, figures in PUBLISHED.items():
        _add(report, name, "published, ML-20M", np.array(figures))
    report.at_least("NDCG@100 less that of the popular list", found["matinee"][2] - found["popularity"][2], 0)
    if len(data.test) == HELD_OUT:
        report.at_least("NDCG@100", found["matinee"][2], 0.415)
        report.at_least("Recall@20", found["matinee"][0], 0.385)


def _add(report: Report, name: str, settings: str, figures: NDArray[np.float64]) -> None:
    recall20, recall50, ndcg = figures.tolist()
    report.add(model=name, recall_at_20=recall20, recall_at_50=recall50, ndcg_at_100=ndcg, settings=settings)

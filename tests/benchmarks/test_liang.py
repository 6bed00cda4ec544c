"""The protocol of Liang et al., against a computation that shares no code with it."""

from collections import Counter
from math import log2

import numpy as np
import pytest

from benchmarks import liang

RANDOM = np.random.default_rng(3)
USERS = np.repeat(np.arange(300) * 7, RANDOM.integers(1, 60, 300))
MOVIES = np.concatenate(
    [RANDOM.choice(250, n, replace=False, p=np.arange(250, 0, -1) / 31_375) for n in np.bincount(USERS)[::7]]
)


def published() -> tuple[dict[int, list[int]], dict[int, tuple[list[int], list[int]]]]:
    """What is trained on and tested with, by the steps of the authors' published code, on plain lists."""
    liked: dict[int, list[int]] = {}
    for user, movie in zip(USERS.tolist(), MOVIES.tolist(), strict=True):
        liked.setdefault(user, []).append(movie)
    liked = {user: own for user, own in sorted(liked.items()) if len(own) >= 5}
    np.random.seed(98765)
    order = [list(liked)[place] for place in np.random.permutation(len(liked))]
    held = len(liked) // 10
    training = {user: liked[user] for user in order[: -2 * held]}
    known = {movie for own in training.values() for movie in own}
    np.random.seed(98765)
    test = {}
    for user in sorted(order[-held:]):
        own = [movie for movie in liked[user] if movie in known]
        out: list[int] = []
        if len(own) >= 5:
            out = np.random.choice(len(own), size=int(0.2 * len(own)), replace=False).tolist()
        wanted = [own[place] for place in out]
        test[user] = ([movie for movie in own if movie not in wanted], wanted)
    return training, {user: parts for user, parts in test.items() if parts[1]}


def test_the_popular_list_is_measured_as_published() -> None:
    training, test = published()
    counts = Counter(movie for own in training.values() for movie in own)
    listed = sorted(counts, key=lambda movie: (-counts[movie], movie))
    recall20, recall50, ndcg = [], [], []
    for folded, wanted in test.values():
        shown = [movie for movie in listed if movie not in folded]
        recall20.append(len({*shown[:20]} & {*wanted}) / min(20, len(wanted)))
        recall50.append(len({*shown[:50]} & {*wanted}) / min(50, len(wanted)))
        gain = sum(1 / log2(place + 2) for place, movie in enumerate(shown[:100]) if movie in wanted)
        ndcg.append(gain / sum(1 / log2(place + 2) for place in range(min(100, len(wanted)))))
    split = liang.split(USERS, MOVIES)
    found = liang.measure(split.training.movie_ids, split.test, liang.popularity(split.training))
    assert len(split.test) == len(test) > 20
    assert found == pytest.approx([np.mean(recall20), np.mean(recall50), np.mean(ndcg)], abs=1e-12)


def test_nobody_is_trained_on_and_tested_with() -> None:
    split = liang.split(USERS, MOVIES)
    training, test = published()
    assert split.training.user_ids.tolist() == sorted(training)
    assert len(split.training) == sum(map(len, training.values()))
    assert [(list(a), sorted(b)) for a, b in split.test] == [(a, sorted(b)) for a, b in test.values()]


def test_ease_is_the_closed_form() -> None:
    split = liang.split(USERS, MOVIES)
    weights = split.training.confidences()
    x = np.zeros((weights.rows, weights.columns))
    x[weights.row_numbers(), weights.indices] = 1
    inverse = np.linalg.inv(x.T @ x + 500 * np.eye(weights.columns))
    expected = inverse / -np.diag(inverse)
    np.fill_diagonal(expected, 0)
    folded = split.test[0][0]
    rows = np.searchsorted(split.training.movie_ids, folded)
    assert liang.ease(split.training)(folded) == pytest.approx(expected[rows].sum(0), abs=1e-6)

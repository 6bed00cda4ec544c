"""The whole of it on the ratings that break recommenders."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recommender import build_model, recommend_for_user
from app.recommender.als import TrainSettings, train
from app.recommender.interactions import Interactions
from app.recommender.ranking import rank

HUGE = 2**63 - 1


def rows(*ratings: tuple[int, int, float]) -> list[dict[str, float]]:
    return [{"user_id": u, "movie_id": m, "score": s} for u, m, s in ratings]


def clubs() -> list[dict[str, float]]:
    """Twenty users like movies 1 to 9, twenty 11 to 19; each leaves one out."""
    pairs = ((user, movie) for user in range(40) for movie in range(1, 10) if movie != 1 + user % 9)
    return rows(*((user, 10 * (user % 2) + movie, 5) for user, movie in pairs))


def test_the_movie_left_out_comes_first() -> None:
    model = build_model(clubs())
    for user in range(40):
        assert model[user][0] == 10 * (user % 2) + 1 + user % 9
    assert len(model) == 40
    assert sorted(model[3]) == [*range(1, 10), *range(11, 20)]
    assert recommend_for_user(clubs(), 3, k=1) == [model[3][0]]


def test_an_unknown_user_gets_popular_movies() -> None:
    ratings = clubs() + rows((90, 5, 4), (91, 5, 3))
    assert recommend_for_user(ratings, 12345, k=1) == [5]
    with pytest.raises(KeyError):
        build_model(ratings)[12345]


def test_no_ratings() -> None:
    assert dict(build_model([])) == {}
    assert recommend_for_user([], 1) == []


def test_one_user_gets_their_own_movies() -> None:
    assert recommend_for_user(rows((1, 7, 5), (1, 8, 1)), 1) == [7, 8]


def test_ids_up_to_the_largest() -> None:
    ratings = clubs() + rows((HUGE, HUGE, 5), (HUGE, 1, 5), (HUGE - 1, HUGE, 5), (HUGE - 1, 2, 5))
    best = recommend_for_user(ratings, HUGE, k=100)
    assert HUGE in best
    assert len(best) == len(set(best)) == 19


@pytest.mark.parametrize("score", [0.5, 1.5, 3.0, 5.0])
def test_all_the_same_score(score: float) -> None:
    ratings = [row | {"score": score} for row in clubs()]
    assert len(recommend_for_user(ratings, 3, k=18)) == 18


def test_one_movie() -> None:
    model = build_model(rows(*((user, 4, 5) for user in range(50))))
    assert model[7] == [4]


def test_a_user_with_thirty_thousand_ratings() -> None:
    random = np.random.default_rng(0)
    users = np.concatenate([np.zeros(30_000, int), random.integers(1, 50, 3000)])
    movies = np.concatenate([np.arange(30_000), random.integers(0, 30_000, 3000)])
    interactions = Interactions.from_arrays(users, movies, random.integers(1, 11, 33_000) / 2)
    model = train(interactions, TrainSettings(factors=16, sweeps=1))
    scores = interactions.scores.values[interactions.row(0)]
    assert len(rank(model, interactions.movie_ids, scores, np.zeros(30_000), limit=10).movie_ids) == 10
    parts = model.contributions(interactions.movie_ids, scores, [1, 2])
    expected = model.preferences(interactions.movie_ids, scores)[1:3]
    assert np.abs(parts.sum(1) - expected).max() < 1e-5


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 10)), max_size=30))
def test_any_ratings_give_whole_finite_lists(ratings: list[tuple[int, int, int]]) -> None:
    model = build_model(rows(*((u, m, s / 2) for u, m, s in ratings)))
    movies = {m for _, m, _ in ratings}
    for user in model:
        assert set(model[user]) == movies
        assert len(model[user]) == len(movies)


def test_importing_it_loads_numpy_and_no_more() -> None:
    code = (
        "import json, sys, app.recommender; print(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    )
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"numba", "sqlalchemy", "fastapi", "scipy", "pyarrow"} & set(loaded)

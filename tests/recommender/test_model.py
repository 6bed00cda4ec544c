import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.recommender.als import TrainSettings, train
from app.recommender.interactions import Rows, confidence
from app.recommender.item_weights import LIKENESS, ItemWeights
from app.recommender.model import Model, Objective
from tests.recommender.ratings import items_for, random_ratings, tastes

INTERACTIONS = random_ratings(60, 80, 1500)
MODEL = train(INTERACTIONS, TrainSettings(factors=16, sweeps=3))
IDS = INTERACTIONS.movie_ids
BLENDED = replace(MODEL, items=items_for(INTERACTIONS, movies=50, width=9))
"""30 of its movies have no item weights."""
halves = st.integers(1, 10).map(lambda half: half / 2)


@settings(deadline=None)
@given(
    st.dictionaries(st.integers(0, 90), halves, max_size=60),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([MODEL, BLENDED]),
)
def test_contributions_sum_to_the_preference(ratings: dict[int, float], linear: float, model: Model) -> None:
    model = replace(model, objective=replace(MODEL.objective, linear=linear))
    ids, scores = list(ratings), list(ratings.values())
    parts = model.contributions(ids, scores, [*IDS[:20], IDS[3]])
    assert parts.shape == (21, len(ids))
    assert parts[20] == pytest.approx(parts[3], abs=1e-9)
    parts = parts[:20]
    expected = model.preferences(ids, scores)[:20]
    assert np.abs(parts.sum(1) - expected).max() < 1e-5
    for column, (movie, score) in enumerate(ratings.items()):
        if score <= 1.5 or movie not in IDS:
            assert not parts[:, column].any()


def test_a_target_outside_the_model_has_no_score_to_explain() -> None:
    assert not MODEL.contributions(IDS[:3], [5, 5, 5], [10**6]).any()


def test_nothing_rated_folds_in_to_nothing() -> None:
    assert not MODEL.fold_in([], []).any()
    assert not MODEL.fold_in([10**9], [5]).any()
    assert not MODEL.fold_in(IDS[:2], [1.5, 0.5]).any()


def test_fold_in_solves_the_objective_of_another_trainer() -> None:
    """Spark's: A = V'V + sum(a r) vv' + lambda n I, b = sum(1 + a r) v, with a r = w / alpha0."""
    alpha0, penalty = 0.2, 0.05
    random = np.random.default_rng(0)
    factors = random.standard_normal((30, 6))
    objective = Objective(alpha0, alpha0 * penalty, linear=alpha0)
    model = Model.rotated(
        range(30),
        factors,
        np.eye(6),
        support=np.ones(30),
        counts=np.ones(30),
        objective=objective,
        settings={},
    )
    ids, scores = [3, 5, 8, 9], [5.0, 4.0, 2.0, 1.0]
    w = confidence(scores)[:3] / alpha0
    near = factors[ids[:3]]
    left = factors.T @ factors + near.T @ (w[:, None] * near) + penalty * 3 * np.eye(6)
    expected = factors @ np.linalg.solve(left, (1 + w) @ near)
    assert model.preferences(ids, scores) == pytest.approx(expected, abs=1e-4)


def test_similar_is_the_cosine_of_the_factors() -> None:
    movies, cosines = MODEL.similar(int(IDS[3]), 5)
    directions = MODEL.factors / np.maximum(np.linalg.norm(MODEL.factors, axis=1), 1e-12)[:, None]
    expected = directions @ directions[3]
    expected[3] = -1
    assert cosines == pytest.approx(np.sort(expected)[::-1][:5], abs=1e-5)
    assert list(movies) == list(IDS[np.argsort(-expected)[:5]])


def test_item_weights_bring_near_what_belongs_together() -> None:
    items, movie = BLENDED.items, 0
    assert items is not None
    row = int(BLENDED.rows([items.movie_ids[movie]])[0])
    directions = MODEL.factors / np.maximum(MODEL.norms, 1e-12)[:, None]
    expected = directions @ directions[row]
    expected[BLENDED.rows(items.movie_ids[items.columns[movie]])] += LIKENESS * items.values[movie]
    expected[row] = -9
    ids, likeness = BLENDED.similar(int(items.movie_ids[movie]), 6)
    best = np.sort(expected)[::-1][:6]
    assert likeness == pytest.approx(best / max(1, best[0]), abs=1e-5)
    assert list(ids) == list(IDS[np.argsort(-expected)[:6]])
    outside = int(np.setdiff1d(IDS, items.movie_ids)[0])
    assert list(BLENDED.similar(outside, 6)[0]) == list(MODEL.similar(outside, 6)[0])


def test_similar_movies_share_their_taste() -> None:
    model = train(tastes(200), TrainSettings(factors=8, sweeps=5))
    for movie in (1, 2, 3, 4):
        assert {int(m) % 4 for m in model.similar(movie, 8)[0]} == {movie % 4}


def test_an_unknown_movie_has_no_neighbours() -> None:
    assert len(MODEL.similar(10**9, 5)[0]) == 0


def test_a_movie_folded_in_is_the_row_that_training_would_solve() -> None:
    """The users are folded in by the same factors that the Gram matrix of the users is of."""
    users = np.stack([MODEL.fold_in(*ratings_of(user)) for user in INTERACTIONS.user_ids]).astype(np.float64)
    model = replace(MODEL, user_gram=users.T @ users)
    raters, scores = users[:5], np.array([5.0, 4.5, 4.0, 3.0, 1.0])
    w = confidence(scores).astype(float)
    objective = model.objective
    left = raters.T @ (w[:, None] * raters) + objective.unobserved * model.user_gram
    left += objective.regularization * (4 + objective.movie_offset) * np.eye(16)
    expected = np.linalg.solve(left, w @ raters)
    assert model.fold_in_movie(raters.astype(np.float32), scores) == pytest.approx(expected, abs=1e-5)


def ratings_of(user: int) -> tuple[NDArray[Any], NDArray[Any]]:
    part = INTERACTIONS.row(int(user))
    return IDS[INTERACTIONS.scores.indices[part]], INTERACTIONS.scores.values[part]


def test_a_blend_is_half_of_each_where_both_are() -> None:
    items, ratings = BLENDED.items, (IDS[:6], [5, 4.5, 4, 3, 2, 1])
    assert items is not None
    dense = np.zeros((len(IDS), len(IDS)))
    rows = np.searchsorted(IDS, items.movie_ids)
    dense[np.ix_(rows, rows)] = spread(items)
    factors, weighed = MODEL.preferences(*ratings), confidence(ratings[1]) @ dense[:6]
    inside = np.isin(np.arange(len(IDS)), rows)
    expected = np.where(inside, 0.5 * factors + 0.5 * weighed, factors)
    assert 0 < inside.sum() < len(IDS)
    assert BLENDED.preferences(*ratings) == pytest.approx(expected, abs=1e-6)


def spread(items: ItemWeights) -> NDArray[np.float64]:
    dense = np.zeros((len(items.movie_ids), len(items.movie_ids)))
    np.put_along_axis(dense, items.columns.astype(int), items.values, 1)
    return dense


def test_a_movie_added_later_leaves_the_item_weights_where_they_were() -> None:
    factors = np.full((2, 16), 0.1, np.float32)
    model = BLENDED.with_movies([-5, 2**62], factors, [3, 3], [4, 4])
    ratings = IDS[:4], [5, 5, 4, 4]
    assert model.preferences(*ratings)[1:-1] == pytest.approx(BLENDED.preferences(*ratings))
    assert model.preferences(*ratings)[0] == pytest.approx(0.1 * model.fold_in(*ratings).sum(), abs=1e-6)
    assert (model.contributions(*ratings, IDS[:9]) == BLENDED.contributions(*ratings, IDS[:9])).all()


def test_a_movie_added_later_has_a_preference_and_the_others_keep_theirs() -> None:
    factors = np.full((2, 16), 0.1, np.float32)
    model = MODEL.with_movies([2**63 - 1, int(IDS[0])], factors, [3, 99], [4, 99])
    assert model.movie_ids[-1] == 2**63 - 1
    assert len(model.movie_ids) == len(IDS) + 1
    ratings = IDS[:4], [5, 5, 4, 4]
    user = MODEL.fold_in(*ratings)
    assert (model.fold_in(*ratings) == user).all()
    assert model.preferences(*ratings)[:-1] == pytest.approx(MODEL.preferences(*ratings))
    assert model.preferences(*ratings)[-1] == pytest.approx(0.1 * user.sum(), abs=1e-6)
    assert (model.support[-1], model.counts[-1]) == (3, 4)


def test_a_start_for_other_movies_is_zero_where_they_are_new() -> None:
    start = MODEL.start_for([int(IDS[5]), 10**9], 16)
    assert start is not None
    assert (start[0] == MODEL.factors[5]).all()
    assert not start[1].any()
    wider = MODEL.start_for([int(IDS[5])], 32)
    assert wider is not None
    assert (wider[0, :16] == start[0]).all()
    assert not wider[0, 16:].any()


def test_popular_is_by_ratings_then_id() -> None:
    expected = sorted(range(len(IDS)), key=lambda row: (-MODEL.counts[row], IDS[row]))
    assert list(MODEL.popular) == expected
    assert list(MODEL.popular[np.argsort(MODEL.order[MODEL.popular])]) == expected


@settings(deadline=None)
@given(
    st.dictionaries(st.integers(0, 90), halves, max_size=60),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 40, 1 << 18]),
    st.sampled_from([MODEL, BLENDED]),
)
def test_the_strongest_are_the_largest_contributions(
    ratings: dict[int, float], n: int, seed: int, block: int, model: Model
) -> None:
    ids, scores = list(ratings), list(ratings.values())
    among = np.random.default_rng(seed).random(len(ids)) < 0.7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.recommender.fold_in.BLOCK", block)
        patch.setattr("app.recommender.item_weights.BLOCK", block)
        places, values = model.strongest(ids, scores, IDS[:20], n, among=among)
        found = model.preferences(ids, scores)
    assert found == pytest.approx(model.preferences(ids, scores), abs=1e-5)
    parts = model.contributions(ids, scores, IDS[:20]) if ids else np.zeros((20, 0))
    for target in range(20):
        row = np.where(among, parts[target], 0)
        best = [i for i in np.argsort(-row, kind="stable")[:n] if row[i] > 1e-9]
        assert values[target][: len(best)] == pytest.approx(row[best], abs=1e-7)
        assert parts[target][places[target][: len(best)]] == pytest.approx(row[best], abs=1e-7)
        assert among[places[target][places[target] >= 0]].all()
        assert ((values[target] > 0) == (places[target] >= 0)).all()


def sparse(movies: int, width: int) -> tuple[Rows, NDArray[np.float32]]:
    columns = (np.arange(movies)[:, None] + np.arange(1, width + 1)) % movies
    return np.sort(columns, axis=1).astype(np.int32), np.full((movies, width), 0.01, np.float32)


@pytest.mark.parametrize("width", [0, 200])
def test_many_ratings_take_little_memory_and_can_be_stopped(width: int) -> None:
    random, k, movies = np.random.default_rng(0), 64, 20_000
    factors = random.standard_normal((movies, k)).astype(np.float32)
    model = Model(
        np.arange(movies),
        factors,
        np.full(k, float(movies)),
        np.eye(k),
        np.full(movies, 9, np.int32),
        np.full(movies, 9, np.int32),
        items=ItemWeights(np.arange(8_000), *sparse(8_000, width)) if width else None,
    )
    model.preferences([1], [5])
    scores = random.integers(1, 11, movies) / 2
    steps: list[int] = []
    tracemalloc.start()
    try:
        model.preferences(range(movies), scores)
        model.strongest(
            range(movies), scores, range(1000), 3, among=scores >= 3, step=lambda: steps.append(1)
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000  # contributions alone would be 160 MB
    assert len(steps) > 20

    def stop() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        model.strongest(range(movies), scores, range(1000), 3, among=scores >= 3, step=stop)

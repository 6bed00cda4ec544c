"""Data that says nothing: one user, one score, weights that sum to nothing, movies that no user likes."""

from typing import Any

import numpy as np
import pytest

from app.recommender.als import TrainSettings, train
from app.recommender.interactions import Interactions
from app.recommender.item_training import DenseProducts, ItemSettings, LeftOut, train_items
from app.recommender.model import Model
from app.recommender.ranking import rank
from tests.recommender.ratings import tastes

SETTINGS = TrainSettings(factors=8, sweeps=3)


def model_of(users: list[int], movies: list[int], scores: list[float]) -> Model:
    model = train(Interactions.from_arrays(users, movies, scores), SETTINGS)
    assert np.isfinite(model.factors).all()
    return model


def listed(model: Model, scores: dict[int, float]) -> tuple[list[int], str]:
    found = rank(model, list(scores), list(scores.values()), range(len(scores)), limit=10, fill_rated=False)
    assert np.isfinite(found.preferences).all()
    return found.movie_ids.tolist(), found.source


def test_one_user_gets_what_there_is() -> None:
    model = model_of([1] * 5, [1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    assert listed(model, {1: 5}) == ([2, 3, 4, 5], "popular")  # no other user tells what goes with it
    assert listed(model, {}) == ([1, 2, 3, 4, 5], "popular")
    with pytest.raises(LeftOut):
        train_items(Interactions.from_arrays([1] * 5, range(5), [5.0] * 5), ItemSettings(), DenseProducts())


@pytest.mark.parametrize("score", [0.5, 1.0, 2.5, 5.0])
def test_where_every_score_is_the_same_the_list_is_finite_and_whole(score: float) -> None:
    table = tastes(60).scores
    users = table.row_numbers().tolist()
    model = model_of(users, table.indices.tolist(), [score] * len(users))
    movies, source = listed(model, {0: score, 4: score})
    assert len(movies) == 10
    assert not {0, 4} & set(movies)
    assert source == ("personal" if score > 2 else "popular")
    reasons, _ = model.strongest([0, 4], [score] * 2, movies, 3, among=np.ones(2, np.bool_))
    assert (reasons >= 0).any() == (score > 1.5)


def test_weights_that_sum_to_nothing_predict_nothing() -> None:
    """Scores up to 1.5 weigh nothing: all factors are zero, and so is every preference."""
    table = tastes(60).scores
    model = model_of(table.row_numbers().tolist(), table.indices.tolist(), [1.5] * len(table.indices))
    assert not model.factors.any()
    assert not model.preferences([0, 4], [5, 5]).any()
    assert listed(model, {0: 5, 4: 5})[1] == "popular"
    assert model.similar(0, 5)[0].tolist() == []


def test_a_movie_in_no_users_list_is_outside_the_model_and_counts_for_nothing() -> None:
    model = train(tastes(60), SETTINGS)
    movies, source = listed(model, {1: 5, 5: 4.5, 424242: 5})
    assert (movies, source) == listed(model, {1: 5, 5: 4.5})
    assert 424242 not in movies
    assert listed(model, {424242: 5})[1] == "popular"
    assert model.contributions([1, 424242], [5, 5], [2])[0, 1] == 0


def test_a_mask_that_leaves_nothing_gives_an_empty_list() -> None:
    model = train(tastes(60), SETTINGS)
    mask = np.zeros(len(model.movie_ids), np.bool_)
    for popularity in (0.0, 0.5, 1.0):
        for diversity in (0.0, 1.0):
            options: dict[str, Any] = {"popularity": popularity, "diversity": diversity, "fill_rated": False}
            found = rank(model, [1, 5], [5, 5], [1, 2], limit=10, mask=mask, **options)
            assert found.movie_ids.tolist() == []

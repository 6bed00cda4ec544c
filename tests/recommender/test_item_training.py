"""The item weights: the closed form, its bounds, and what leaves them out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from app.recommender import item_training
from app.recommender.als import TrainSettings, train
from app.recommender.evaluation import evaluate, split
from app.recommender.interactions import Interactions
from app.recommender.item_kernel import SparseProducts
from app.recommender.item_training import DenseProducts, ItemSettings, LeftOut, train_items
from app.recommender.item_weights import ItemWeights
from app.recommender.training import KERNEL_FROM, factors_for, products_for
from tests.recommender.ratings import random_ratings, tastes

INTERACTIONS = random_ratings(120, 60, 3000)
WHOLE = ItemSettings(width=10**6)


def reference(interactions: Interactions, penalty: float) -> NDArray[np.float64]:
    """Steck 2019, in double precision: B of all movies."""
    weights = interactions.confidences()
    x = np.zeros((weights.rows, weights.columns))
    x[weights.row_numbers(), weights.indices] = weights.values
    inverse = np.linalg.inv(x.T @ x + penalty * np.eye(weights.columns))
    found = inverse / -np.diag(inverse)
    np.fill_diagonal(found, 0)
    return np.asarray(found)


def dense(items: ItemWeights) -> NDArray[np.float64]:
    found = np.zeros((len(items.movie_ids), len(items.movie_ids)))
    np.put_along_axis(found, items.columns.astype(int), items.values, 1)
    return found


@pytest.mark.parametrize("tile", [1, 7, 60, 512])
@pytest.mark.parametrize("products", [DenseProducts(), SparseProducts(2)])
def test_the_weights_are_those_of_the_closed_form(
    tile: int, products: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_training, "TILE", tile)
    monkeypatch.setattr(item_training, "DENSE", 60 * 17)
    items, made = train_items(INTERACTIONS, WHOLE, products, threads=2)
    assert made == {"movies": 60, "width": 59, "lambda": 50.0, "share": 0.5}
    assert dense(items) == pytest.approx(reference(INTERACTIONS, 50.0), abs=1e-6)


def test_of_each_row_the_largest_weights_are_kept() -> None:
    items, _ = train_items(INTERACTIONS, ItemSettings(width=8), DenseProducts())
    whole = np.abs(reference(INTERACTIONS, 50.0))
    kept = np.take_along_axis(whole, items.columns.astype(int), 1)
    assert items.columns.shape == (60, 8)
    assert np.sort(kept, axis=1) == pytest.approx(np.sort(whole, axis=1)[:, -8:], abs=1e-6)
    assert (np.diff(items.columns, axis=1) > 0).all()


def test_the_bytes_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on those of the pool nor on those that BLAS might use."""
    monkeypatch.setattr(item_training, "TILE", 64)
    interactions = random_ratings(900, 700, 60_000)
    for products in (DenseProducts, lambda: SparseProducts(1), lambda: SparseProducts(5)):
        made: set[tuple[bytes, bytes]] = set()
        for threads, blas in ((1, 1), (4, 1), (2, 2)):
            with threadpool_limits(blas, user_api="blas"):
                items, _ = train_items(interactions, ItemSettings(width=50), products(), threads=threads)
            made.add((items.columns.tobytes(), items.values.tobytes()))
        assert len(made) == 1


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_both_products_are_the_same(seed: int) -> None:
    weights = random_ratings(30, 25, 200, seed).confidences()
    for some, others in zip(
        DenseProducts()(weights, lambda: None), SparseProducts(2)(weights, lambda: None), strict=True
    ):
        assert np.tril(others) == pytest.approx(np.tril(some), abs=1e-4)


def test_a_blend_is_better_than_either_half_of_tastes() -> None:
    training, held_out = split(tastes(600, movies=90, groups=6), chosen=200)
    factors = train(training, TrainSettings(factors=16, sweeps=4))
    items, _ = train_items(training, ItemSettings(), DenseProducts())
    blend, alone = replace(factors, items=items), replace(factors, items=replace(items, share=1.0))
    ndcg = [evaluate(model, held_out).ndcg for model in (blend, factors, alone)]
    assert ndcg[0] > max(ndcg[1:]) - 0.005
    assert ndcg[0] > min(ndcg[1:])


def one_score(score: float) -> Interactions:
    return Interactions.from_arrays(np.repeat(range(30), 8), np.tile(range(8), 30), np.full(240, score))


@pytest.mark.parametrize(
    ("interactions", "memory", "reason"),
    [
        (Interactions.from_arrays([], [], []), 10**9, "fewer than two users"),
        (Interactions.from_arrays([1] * 9, range(9), [5] * 9), 10**9, "fewer than two users"),
        (one_score(1.0), 10**9, "fewer than two movies are liked by 5 users"),
        (random_ratings(500, 400, 900), 10**9, "fewer than two movies are liked by 5 users|of the ratings"),
        (INTERACTIONS, 0, "the memory allowed suffices for 0 movies with 0% of the ratings"),
        (INTERACTIONS, 2 * 30**2, "the memory allowed suffices for 30 movies with 5.% of the ratings"),
    ],
)
def test_what_leaves_the_weights_out_is_said(interactions: Interactions, memory: int, reason: str) -> None:
    with pytest.raises(LeftOut, match=reason):
        train_items(interactions, ItemSettings(memory=memory), DenseProducts())


def test_a_singular_matrix_is_left_out() -> None:
    class Broken(DenseProducts):
        def __call__(self, weights: Any, tell: Callable[[], None]) -> list[NDArray[np.float32]]:
            return [np.full((weights.columns, weights.columns), np.nan, np.float32)]

    with pytest.raises(LeftOut, match="singular"):
        train_items(INTERACTIONS, ItemSettings(), Broken())


def test_equal_scores_have_weights() -> None:
    items, _ = train_items(one_score(5.0), ItemSettings(), DenseProducts())
    assert np.isfinite(items.values).all()
    assert (items.values > 0).all()


def test_dense_products_of_many_users_are_bounded_by_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_training, "LEAST_WORK", 0)
    monkeypatch.setattr(item_training, "WORK", 30 * 30 * (30 + 120) / len(INTERACTIONS) * 1.01)
    settings = ItemSettings(covered=0)
    assert len(item_training.choose(INTERACTIONS, settings, dense=True)) == 30
    assert len(item_training.choose(INTERACTIONS, settings, dense=False)) > 40
    with pytest.raises(LeftOut, match="the work allowed suffices for 30 movies"):
        item_training.choose(INTERACTIONS, ItemSettings(), dense=True)


@pytest.mark.parametrize("products", [DenseProducts(), SparseProducts(2)])
def test_every_step_is_told_and_can_cancel(products: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_training, "TILE", 10)
    told: list[tuple[int, int]] = []
    train_items(INTERACTIONS, ItemSettings(), products, progress=lambda *at: told.append(at))
    assert told == sorted(told)
    assert {of for _, of in told} == {12}
    assert told[-1] == (12, 12)
    assert sum(at == (3, 12) for at in told) > 5  # within a sweep, too

    def cancel(done: int, _of: int) -> None:
        if done == 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_items(INTERACTIONS, ItemSettings(), products, progress=cancel)


def test_sizes_follow_the_amount_of_data() -> None:
    assert isinstance(products_for(KERNEL_FROM - 1), DenseProducts)
    assert isinstance(products_for(KERNEL_FROM), SparseProducts)
    assert [factors_for(n) for n in (0, 1_000_000, 20_000_000)] == [64, 64, 128]
    assert factors_for(20_000_000, "32") == 32

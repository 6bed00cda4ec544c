from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.recommender import als, kernel, transposition
from app.recommender.als import TrainSettings
from app.recommender.interactions import Csr, Interactions
from app.recommender.model import Model, Objective
from app.recommender.training import KERNEL_FROM, trainer_for
from app.serving.model_file import to_bytes
from tests.recommender.ratings import checkerboard, random_ratings, tastes

SMALL = TrainSettings(factors=16, sweeps=6)


def sparse(lengths: list[int], columns: int, weight: float, seed: int) -> Csr:
    """Rows of these lengths, with columns in any order and repeated, and weights up to `weight`."""
    random = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    indices = random.integers(0, columns, indptr[-1], dtype=np.int32)
    return Csr(indptr, indices, random.uniform(0.01, weight, len(indices)).astype(np.float32), columns)


def solved(weights: Csr, fixed: NDArray[Any], objective: Objective, steps: int) -> NDArray[Any]:
    """The products of all rows and columns, [rows, columns]."""
    start = np.zeros((weights.rows, fixed.shape[1]), np.float32)
    with ThreadPoolExecutor(2) as pool:
        solution, turned = kernel.half_sweep(pool, weights, start, fixed.copy(), objective, 1.0, steps)
    return np.asarray(solution.astype(float) @ turned.T.astype(float))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.one_of(st.just(0), st.just(1), st.integers(2, 90)), min_size=1, max_size=12),
    st.integers(1, 40),
    st.sampled_from([1.4, 1000.0]),
    st.sampled_from([16, 48, 128]),
    st.sampled_from([0.0, 0.2]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_conjugate_gradients_reach_the_exact_solution(
    lengths: list[int], columns: int, weight: float, k: int, linear: float, tiled: bool, seed: int
) -> None:
    weights = sparse(lengths, columns, weight, seed)
    fixed = np.random.default_rng(seed).standard_normal((columns, k)).astype(np.float32) * np.float32(0.3)
    objective = Objective(unobserved=0.2, regularization=0.05, linear=linear)
    exact, turned = als.half_sweep(weights, fixed.astype(float), objective, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        if tiled:
            patch.setattr(kernel, "LONG", 5)
            patch.setattr(kernel, "TILE", 7 * k)
        found = solved(weights, fixed, objective, steps=3 * k)
    assert found == pytest.approx(exact @ turned.T, abs=2e-3)


def test_rows_solved_together_are_those_solved_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = sparse([0, 3, 400, 20, 90, 1, 41], columns=60, weight=2.0, seed=3)
    fixed = np.random.default_rng(1).standard_normal((60, 16)).astype(np.float32) * np.float32(0.3)
    objective = Objective(unobserved=0.2, regularization=0.05)
    alone = solved(weights, fixed, objective, steps=2)
    monkeypatch.setattr(kernel, "LONG", 20)
    monkeypatch.setattr(kernel, "TILE", 9 * 16)
    monkeypatch.setattr(kernel, "GROUPS", 2)
    assert sum(map(len, kernel.groups(weights, 20))) == 3
    assert solved(weights, fixed, objective, steps=2) == pytest.approx(alone, abs=1e-4)


def test_two_steps_from_the_last_sweep_keep_up_with_the_exact_trainer() -> None:
    interactions = tastes(200, movies=120)
    for seed in range(2):
        train_settings = replace(SMALL, seed=seed)
        exact = loss(als.train(interactions, train_settings), interactions)
        assert loss(kernel.train(interactions, train_settings), interactions) < 1.003 * exact


def loss(model: Model, interactions: Interactions) -> float:
    """The objective with the users solved exactly."""
    weights = interactions.confidences()
    users, movies = als.half_sweep(
        weights, model.factors.astype(float), model.objective, model.objective.user_offset
    )
    predicted = users @ movies.T
    value = (weights.values * (1 - predicted[weights.row_numbers(), weights.indices]) ** 2).sum()
    value += model.objective.unobserved * (predicted**2).sum()
    for side, lengths, offset in (
        (users, weights.lengths, model.objective.user_offset),
        (movies, weights.transpose().lengths, model.objective.movie_offset),
    ):
        value += (model.objective.regularization * (lengths + offset) * (side**2).sum(1)).sum()
    return float(value)


def test_withheld_cells_of_a_checkerboard_come_first() -> None:
    interactions, missing = checkerboard()
    model = kernel.train(interactions, replace(SMALL, regularization=0.1))
    found = 0
    for row, user in enumerate(interactions.user_ids):
        ids = interactions.movie_ids[interactions.scores.indices[interactions.row(int(user))]]
        preferences = model.preferences(ids, np.full(len(ids), 5.0))
        preferences[model.rows(ids)] = -np.inf
        found += missing[row, np.argsort(-preferences)[: missing[row].sum()]].sum()
    assert found == missing.sum() > 200


def test_the_bytes_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "CHUNK", 100)
    interactions = random_ratings(300, 200, 9000)
    monkeypatch.setattr(kernel, "LONG", 30)
    monkeypatch.setattr(kernel, "TILE", 16 * 50)
    assert len(kernel.chunks(interactions.scores, 9000)) > 50
    assert len(kernel.groups(interactions.scores, 30)) > 10
    one = to_bytes(kernel.train(interactions, SMALL, threads=1))
    assert one == to_bytes(kernel.train(interactions, SMALL, threads=4))
    assert one != to_bytes(kernel.train(interactions, replace(SMALL, seed=1), threads=4))


def test_a_warm_start_is_ahead_of_a_cold_one() -> None:
    interactions = tastes(200, movies=120)
    model = kernel.train(interactions, SMALL)
    short = replace(SMALL, sweeps=1)
    warm = kernel.train(interactions, short, start=model.start_for(interactions.movie_ids, 16))
    assert loss(warm, interactions) < loss(kernel.train(interactions, short), interactions)
    assert loss(warm, interactions) < 1.001 * loss(model, interactions)


def test_a_cancel_is_honoured_after_a_half_sweep() -> None:
    seen = []

    def cancel(done: int, of: int) -> None:
        seen.append((done, of))
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        kernel.train(random_ratings(30, 30, 300), SMALL, progress=cancel)
    assert seen == [(1, 12), (2, 12), (3, 12)]


@given(st.lists(st.integers(0, 6), max_size=8), st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_transpose_is_that_of_the_reference(lengths: list[int], columns: int, seed: int) -> None:
    table = sparse(lengths, columns, 1.0, seed)
    ours, expected = transposition.transpose(table), table.transpose()
    assert (ours.rows, ours.columns) == (expected.rows, expected.columns)
    for name in ("indptr", "indices", "values"):
        assert (getattr(ours, name) == getattr(expected, name)).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"indices": np.array([0, 5, 1], np.int32)}, "a column is outside 0 to 1"),
        ({"indices": np.array([0, -1, 1], np.int32)}, "a column is outside"),
        ({"indptr": np.array([0, 2, 1, 3])}, "indptr"),
        ({"indptr": np.array([0, 2])}, "indptr"),
        ({"values": np.ones(2, np.float32)}, "2 values for 3 entries"),
    ],
)
def test_indices_are_checked_before_compiled_code_uses_them(change: dict[str, Any], reason: str) -> None:
    table = Csr(np.array([0, 1, 3]), np.array([0, 0, 1], np.int32), np.ones(3, np.float32), 2)
    transposition.validate(table)
    with pytest.raises(ValueError, match=reason):
        transposition.validate(replace(table, **change))


@given(st.lists(st.integers(0, 50), max_size=60))
@settings(deadline=None)
def test_chunks_cover_every_row_once(lengths: list[int]) -> None:
    table = sparse(lengths, 3, 1.0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "CHUNK", 10)
        ranges = kernel.chunks(table, 60)
    assert [row for first, last in ranges for row in range(first, last)] == list(range(len(lengths)))


def test_factors_are_a_multiple_of_sixteen() -> None:
    with pytest.raises(ValueError, match="20 factors; set a multiple of 16"):
        kernel.train(random_ratings(3, 3, 5), replace(SMALL, factors=20))


@pytest.mark.parametrize("users", [[], [1], [1, 1], [1, 2]])
def test_very_little_data(users: list[int]) -> None:
    model = kernel.train(Interactions.from_arrays(users, range(len(users)), [5.0] * len(users)), SMALL)
    assert model.factors.shape == (len(users), 16)
    assert np.isfinite(model.factors).all()


def test_the_kernel_is_for_large_data() -> None:
    assert trainer_for(KERNEL_FROM - 1) is als.train
    trainer: Any = trainer_for(KERNEL_FROM, threads=3)
    assert (trainer.func, trainer.keywords) == (kernel.train, {"threads": 3})

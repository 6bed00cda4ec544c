from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.recommender.als import TrainSettings, first_factors, half_sweep, train
from app.recommender.interactions import Csr, Interactions
from app.recommender.linear import solve
from app.recommender.model import Objective
from app.recommender.ranking import rank
from app.serving.model_file import to_bytes
from tests.recommender.ratings import checkerboard, random_ratings

SMALL = TrainSettings(factors=8, sweeps=6)


@given(st.integers(0, 12), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_both_forms_of_the_solution_solve_the_system(n: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, right = random.standard_normal((3, n, k)), random.standard_normal((3, k, 2))
    diagonal = random.uniform(0.1, 10, (3, k))
    matrix = rows.transpose(0, 2, 1) @ rows + diagonal[:, :, None] * np.eye(k)
    assert matrix @ solve(rows, diagonal, right) == pytest.approx(right, abs=1e-8)


def by_least_squares(weights: Csr, fixed: NDArray[Any], objective: Objective, offset: float) -> NDArray[Any]:
    """Each row by stacking every term of the objective as one equation."""
    k = fixed.shape[1]
    solution = np.zeros((weights.rows, k))
    for row in range(weights.rows):
        part = slice(weights.indptr[row], weights.indptr[row + 1])
        w, near = weights.values[part].astype(float), fixed[weights.indices[part]]
        penalty = objective.regularization * (len(w) + offset) ** objective.exponent
        left = [
            np.sqrt(w)[:, None] * near,
            np.sqrt(objective.unobserved) * fixed,
            np.sqrt(penalty) * np.eye(k),
        ]
        right = [np.sqrt(w), np.zeros(len(fixed)), np.zeros(k)]
        if len(w):
            solution[row] = np.linalg.lstsq(np.vstack(left), np.concatenate(right), rcond=None)[0]
    return solution


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(0, 120), st.integers(1, 9),
    st.floats(0.001, 1), st.floats(0.001, 2), st.floats(0, 1.5),
)  # fmt: skip
def test_a_half_sweep_minimises_the_objective(
    users: int, movies: int, n: int, k: int, regularization: float, unobserved: float, exponent: float
) -> None:
    table = random_ratings(users, movies, n, seed=n)
    weights = table.confidences()
    fixed = np.random.default_rng(n).standard_normal((weights.columns, k))
    objective = Objective(unobserved, regularization, exponent)
    solution, turned = half_sweep(weights, fixed, objective, unobserved * weights.columns)
    expected = by_least_squares(weights, fixed, objective, unobserved * weights.columns)
    assert solution @ turned.T == pytest.approx(expected @ fixed.T, abs=1e-6)
    gram = turned.T @ turned
    assert gram == pytest.approx(np.diag(np.diag(gram)), abs=1e-9 * max(1, np.abs(gram).max(initial=0)))


def test_fold_in_is_the_row_that_training_would_solve() -> None:
    interactions = random_ratings(40, 60, 900)
    model = train(interactions, SMALL)
    objective = model.objective
    users, turned = half_sweep(
        interactions.confidences(), model.factors.astype(float), objective, objective.user_offset
    )
    for row, user in enumerate(interactions.user_ids):
        part = interactions.row(int(user))
        ids = interactions.movie_ids[interactions.scores.indices[part]]
        folded = model.fold_in(ids, interactions.scores.values[part])
        assert model.factors @ folded == pytest.approx(turned @ users[row], abs=1e-5)


def test_withheld_cells_of_a_checkerboard_come_first() -> None:
    interactions, missing = checkerboard()
    model = train(interactions, TrainSettings(factors=2, sweeps=10))
    found = wanted = 0
    for row, user in enumerate(interactions.user_ids):
        ids = interactions.movie_ids[interactions.scores.indices[interactions.row(int(user))]]
        expected = {int(movie) + 100 for movie in np.flatnonzero(missing[row])}
        best = rank(model, ids, np.full(len(ids), 5.0), np.zeros(len(ids)), limit=len(expected)).movie_ids
        found += len(expected & set(best.tolist()))
        wanted += len(expected)
    assert found == wanted > 200


def test_each_sweep_lowers_the_loss() -> None:
    interactions = random_ratings(30, 30, 400)
    losses = [loss(interactions, TrainSettings(factors=8, sweeps=n)) for n in (1, 2, 4, 8)]
    assert losses == sorted(losses, reverse=True)


def loss(interactions: Interactions, train_settings: TrainSettings) -> float:
    """The objective after one more half sweep over the users."""
    model = train(interactions, train_settings)
    objective, weights = model.objective, interactions.confidences()
    users, movies = half_sweep(weights, model.factors.astype(float), objective, objective.user_offset)
    predicted = users @ movies.T
    rows = weights.row_numbers()
    value = (weights.values * (1 - predicted[rows, weights.indices]) ** 2).sum()
    value += objective.unobserved * (predicted**2).sum()
    for side, lengths, offset in (
        (users, weights.lengths, objective.user_offset),
        (movies, weights.transpose().lengths, objective.movie_offset),
    ):
        value += (objective.regularization * (lengths + offset) * (side**2).sum(1)).sum()
    return float(value)


def test_the_same_ratings_in_any_order_give_the_same_bytes() -> None:
    random = np.random.default_rng(1)
    columns = [random.permutation(200), random.integers(0, 50, 200), random.integers(1, 11, 200) / 2]
    order = random.permutation(200)
    first = train(Interactions.from_arrays(*columns), SMALL)
    second = train(Interactions.from_arrays(*(column[order] for column in columns)), SMALL)
    assert to_bytes(first) == to_bytes(second)
    assert to_bytes(first) != to_bytes(train(Interactions.from_arrays(*columns), TrainSettings(8, 6, seed=1)))


def test_a_warm_start_goes_on_where_the_model_stopped() -> None:
    interactions = random_ratings(40, 60, 900)
    whole = train(interactions, TrainSettings(factors=8, sweeps=4))
    half = train(interactions, TrainSettings(factors=8, sweeps=2))
    resumed = train(
        interactions, TrainSettings(factors=8, sweeps=2), start=half.start_for(interactions.movie_ids, 8)
    )
    ids, scores = interactions.movie_ids[:5], [5, 4, 3, 5, 4]
    expected = whole.preferences(ids, scores)
    assert resumed.preferences(ids, scores) == pytest.approx(expected, abs=1e-4)
    assert half.start_for(interactions.movie_ids, 4) is None


def test_progress_counts_half_sweeps_and_can_cancel() -> None:
    seen = []
    train(random_ratings(5, 5, 20), SMALL, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(n, 12) for n in range(1, 13)]

    def cancel(done: int, _of: int) -> None:
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(random_ratings(5, 5, 20), SMALL, progress=cancel)


def test_first_factors_are_short_and_of_the_seed() -> None:
    factors = first_factors(1000, TrainSettings())
    assert np.linalg.norm(factors, axis=1).mean() == pytest.approx(0.1, rel=0.05)
    assert (factors == first_factors(1000, TrainSettings())).all()

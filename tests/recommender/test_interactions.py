import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.recommender.interactions import Interactions, confidence

ids = st.one_of(st.integers(0, 6), st.sampled_from([2**63 - 1, 2**63 - 2]))
ratings = st.lists(st.tuples(ids, ids, st.integers(1, 10).map(lambda half: half / 2)), max_size=40)


def as_dict(interactions: Interactions) -> dict[tuple[int, int], float]:
    table = interactions.scores
    users = interactions.user_ids[table.row_numbers()]
    movies = interactions.movie_ids[table.indices]
    return {(int(u), int(m)): float(s) for u, m, s in zip(users, movies, table.values, strict=True)}


@given(ratings)
def test_every_rating_is_kept_and_the_last_of_a_pair_counts(rows: list[tuple[int, int, float]]) -> None:
    interactions = Interactions.from_arrays([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
    assert as_dict(interactions) == {(u, m): s for u, m, s in rows}
    assert sorted(interactions.user_ids) == sorted({u for u, _, _ in rows})
    assert len(interactions) == len({(u, m) for u, m, _ in rows})
    for user in interactions.user_ids:
        part = interactions.row(user)
        movies = interactions.movie_ids[interactions.scores.indices[part]]
        assert sorted(movies) == sorted({m for u, m, _ in rows if u == user})


@given(ratings)
def test_transpose_swaps_rows_and_columns(rows: list[tuple[int, int, float]]) -> None:
    table = Interactions.from_arrays(*([r[i] for r in rows] for i in range(3))).scores
    turned = table.transpose()
    there = {
        (int(r), int(c), float(v))
        for r, c, v in zip(table.row_numbers(), table.indices, table.values, strict=True)
    }
    back = {
        (int(c), int(r), float(v))
        for r, c, v in zip(turned.row_numbers(), turned.indices, turned.values, strict=True)
    }
    assert there == back
    assert (turned.rows, turned.columns) == (table.columns, table.rows)


@given(ratings)
def test_confidences_leave_out_low_scores_only(rows: list[tuple[int, int, float]]) -> None:
    interactions = Interactions.from_arrays(*([r[i] for r in rows] for i in range(3)))
    weights = interactions.confidences()
    assert len(weights.values) == sum(score > 1.5 for score in as_dict(interactions).values())
    assert (weights.values > 0).all()


def test_confidence_rises_from_one_and_a_half_and_is_one_at_four() -> None:
    assert confidence([0.5, 1.5, 2, 4, 5]).tolist() == pytest.approx([0, 0, 0.2, 1, 1.4])


def test_users_keeps_all_movies() -> None:
    interactions = Interactions.from_arrays([1, 1, 2, 3], [7, 8, 9, 7], [5, 4, 3, 2])
    kept = interactions.users(np.array([True, False, True]))
    assert as_dict(kept) == {(1, 7): 5, (1, 8): 4, (3, 7): 2}
    assert list(kept.movie_ids) == [7, 8, 9]


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="score 1 is not a finite number"):
        Interactions.from_arrays([1, 2], [1, 2], [3.0, score])


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 users, 1 movies"):
        Interactions.from_arrays([1, 2], [1], [3.0, 4.0])


@given(ratings, st.lists(st.integers(0, 40), max_size=5))
def test_sorted_parts_give_what_arrays_give(rows: list[tuple[int, int, float]], cuts: list[int]) -> None:
    unique = sorted({(u, m): s for u, m, s in rows}.items())
    columns = [np.array([key[0] for key, _ in unique]), np.array([key[1] for key, _ in unique])]
    columns.append(np.array([score for _, score in unique]))
    expected = Interactions.from_arrays(*columns)
    parts = zip(*(np.split(column, sorted(cuts)) for column in columns), strict=True)
    found = Interactions.from_sorted(parts)
    assert as_dict(found) == as_dict(expected)
    assert (found.user_ids == expected.user_ids).all()
    assert (found.movie_ids == expected.movie_ids).all()
    assert found.scores.indptr.tolist() == expected.scores.indptr.tolist()
    assert found.scores.indices.dtype == np.int32


@pytest.mark.parametrize(
    "parts",
    [
        [([1, 1], [2, 1], [3, 3])],
        [([2, 1], [1, 1], [3, 3])],
        [([1, 1], [1, 1], [3, 3])],
        [([1], [5], [3]), ([1], [4], [3])],
        [([1], [5], [3]), ([1], [5], [3])],
    ],
)
def test_parts_out_of_order_are_refused(parts: list[tuple[list[int], list[int], list[float]]]) -> None:
    with pytest.raises(ValueError, match="not sorted by user and movie"):
        Interactions.from_sorted(parts)


def test_ids_of_any_size_get_their_columns() -> None:
    low, high = 1 << 22, 1 << 40
    parts = [([1, 1], [-3, 5], [3, 3]), ([2], [low], [4]), ([3, 3], [low - 1, high], [5, 1])]
    found = Interactions.from_sorted(parts)
    assert found.movie_ids.tolist() == [-3, 5, low - 1, low, high]
    assert as_dict(found) == {(1, -3): 3, (1, 5): 3, (2, low): 4, (3, low - 1): 5, (3, high): 1}


def test_no_parts_are_no_ratings() -> None:
    assert len(Interactions.from_sorted([])) == 0

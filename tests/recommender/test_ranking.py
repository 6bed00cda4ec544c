from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recommender import fold_in
from app.recommender.als import TrainSettings, train
from app.recommender.interactions import Interactions
from app.recommender.linear import prepared
from app.recommender.model import Model
from app.recommender.ranking import DISCOUNTS, LOW, NEAR, Ranking, avoided, discount, rank, worth
from app.recommender.selection import top
from tests.recommender.ratings import items_for, random_ratings, tastes

MODEL = train(random_ratings(60, 40, 900), TrainSettings(factors=8, sweeps=3))
BLENDED = replace(MODEL, items=items_for(random_ratings(60, 40, 900), movies=30, width=7))
M = len(MODEL.movie_ids)
halves = st.integers(1, 10).map(lambda half: half / 2)
profiles = st.dictionaries(st.one_of(st.integers(0, 45), st.just(2**63 - 1)), halves, max_size=45)


def ask(model: Model, profile: dict[int, float], limit: int, **options: Any) -> Ranking:
    ids, scores = list(profile), list(profile.values())
    return rank(model, ids, scores, range(len(ids)), limit=limit, **options)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, -np.inf]), max_size=30), st.integers(0, 35))
def test_top_is_the_start_of_the_full_order(values: list[float], n: int) -> None:
    scores = np.array(values, np.float32)
    order = np.random.default_rng(len(values)).permutation(len(values))
    expected = sorted(
        (r for r in range(len(values)) if values[r] > -np.inf), key=lambda r: (-values[r], order[r])
    )
    assert list(top(scores, order, n)) == expected[:n]


@settings(deadline=None)
@given(
    profiles, st.integers(1, 60), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([MODEL, BLENDED])
)
def test_a_personal_list_is_exact(
    profile: dict[int, float], limit: int, seed: int, fill_rated: bool, model: Model
) -> None:
    mask = np.random.default_rng(seed).random(M) < 0.7
    ranking = ask(model, profile, limit, mask=mask, fill_rated=fill_rated)
    listed = ranking.movie_ids.tolist()
    allowed = set(MODEL.movie_ids[mask].tolist())
    outside = set(profile) - set(MODEL.movie_ids.tolist())
    allowed |= outside if fill_rated else set()
    assert len(listed) == len(set(listed)) <= limit
    assert set(listed) <= allowed
    unrated = [movie for movie in listed if movie not in profile]
    assert listed[: len(unrated)] == unrated or ranking.source == "own"
    assert fill_rated or len(unrated) == len(listed)
    assert len(listed) == min(limit, len(allowed if fill_rated else allowed - set(profile)))
    if ranking.source == "personal":
        preferences = model.preferences(list(profile), list(profile.values()))
        order = np.lexsort((MODEL.movie_ids, -MODEL.counts, -worth(model, preferences)))
        rows = order[mask[order]].tolist()
        best = [int(MODEL.movie_ids[r]) for r in rows if MODEL.movie_ids[r] not in profile]
        assert unrated == best[:limit]
        found = MODEL.rows(ranking.movie_ids)
        assert ranking.preferences == pytest.approx(np.where(found < 0, 0, preferences[found]))
        by_preference = np.lexsort((MODEL.movie_ids, -MODEL.counts, -preferences))
        rows = by_preference[mask[by_preference]].tolist()
        rest = [int(MODEL.movie_ids[r]) for r in rows if MODEL.movie_ids[r] in profile]
        rest += sorted(outside, key=lambda m: (-profile[m], -list(profile).index(m)))
        assert listed[len(unrated) :] == (rest[: limit - len(unrated)] if fill_rated else [])


@settings(deadline=None)
@given(profiles, st.integers(1, 60))
def test_the_order_of_the_ratings_does_not_matter(profile: dict[int, float], limit: int) -> None:
    backwards = dict(reversed(profile.items()))
    first = rank(MODEL, list(profile), list(profile.values()), [0] * len(profile), limit=limit)
    second = rank(MODEL, list(backwards), list(backwards.values()), [0] * len(profile), limit=limit)
    assert first.source == second.source
    assert first.preferences == pytest.approx(second.preferences, abs=1e-5)


def test_rated_movies_outside_the_model_come_last_by_their_score() -> None:
    profile = {int(movie): 4.0 for movie in MODEL.movie_ids} | {1000: 3.0, 1001: 5.0}
    assert ask(MODEL, profile, 100).movie_ids.tolist()[-2:] == [1001, 1000]


def test_a_user_without_ratings_gets_the_popular_list() -> None:
    ranking = ask(MODEL, {}, 5)
    assert ranking.source == "popular"
    assert ranking.movie_ids.tolist() == MODEL.movie_ids[MODEL.popular[:5]].tolist()
    assert not ranking.preferences.any()


def one_rater() -> Interactions:
    """User 1 alone has rated movies 500 and 501; the others agree on movies below 60."""
    others = tastes(60)
    users = others.user_ids[others.scores.row_numbers()] + 1
    movies = others.movie_ids[others.scores.indices]
    return Interactions.from_arrays(
        [*users, 1, 1, 1], [*movies, 500, 501, 1], [*others.scores.values, 4.0, 5.0, 1.0]
    )


def test_movies_that_no_other_user_rated_are_listed_newest_first_then_popular_ones() -> None:
    model = train(one_rater(), TrainSettings(factors=8, sweeps=2))
    popular = [int(m) for m in model.movie_ids[model.popular] if m not in (1, 500, 501)]
    ids, scores = [500, 501, 1], [4.0, 5.0, 1.0]
    ranking = rank(model, ids, scores, [9, 3, 10], limit=6)
    assert (ranking.source, ranking.movie_ids.tolist()) == ("own", [500, 501, *popular[:4]])
    assert rank(model, ids, scores, [3, 3, 3], limit=2).movie_ids.tolist() == [501, 500]
    everything = rank(model, ids, scores, [9, 3, 10], limit=1000).movie_ids.tolist()
    assert everything == [500, 501, *popular, 1]


def test_the_rich_list_has_no_own_movies() -> None:
    model = train(one_rater(), TrainSettings(factors=8, sweeps=2))
    ranking = rank(model, [500, 501], [4.0, 5.0], [1, 2], limit=1000, fill_rated=False)
    assert ranking.source == "popular"
    assert not {500, 501} & set(ranking.movie_ids.tolist())


def test_a_rating_newer_than_the_model_can_be_ones_own() -> None:
    ranking = rank(MODEL, [10**6], [5.0], [1], limit=3)
    assert ranking.source == "own"
    assert ranking.movie_ids[0] == 10**6


def test_a_user_who_liked_nothing_gets_the_popular_list() -> None:
    disliked = int(MODEL.movie_ids[MODEL.popular[0]])
    ranking = ask(MODEL, {disliked: 1.0}, 5)
    assert ranking.source == "popular"
    assert disliked not in ranking.movie_ids


def test_one_shared_liked_movie_is_enough_to_be_personal() -> None:
    assert ask(MODEL, {int(MODEL.movie_ids[3]): 4.0}, 5).source == "personal"


def test_an_empty_model_lists_ones_own_movies() -> None:
    model = train(Interactions.from_arrays([], [], []))
    assert rank(model, [7, 8], [5.0, 4.0], [1, 2], limit=5).movie_ids.tolist() == [8, 7]
    assert rank(model, [], [], [], limit=5).movie_ids.tolist() == []


@settings(deadline=None, max_examples=30)
@given(profiles, st.integers(1, 10))
def test_diversity_starts_with_the_best_and_lowers_likeness(profile: dict[int, float], limit: int) -> None:
    plain, diverse = (ask(MODEL, profile, limit, fill_rated=False, diversity=d) for d in (0.0, 0.9))
    assert len(set(diverse.movie_ids.tolist())) == len(diverse.movie_ids) == len(plain.movie_ids)
    if plain.source == "personal" and len(plain.movie_ids):
        assert plain.movie_ids[0] == diverse.movie_ids[0]
        assert not set(diverse.movie_ids.tolist()) & set(profile)


def test_a_diverse_list_mixes_the_tastes_that_one_has() -> None:
    model = train(tastes(200), TrainSettings(factors=8, sweeps=5))
    profile = {1: 5.0, 5: 5.0, 9: 5.0, 2: 5.0, 6: 5.0}
    plain = [int(m) % 4 for m in ask(model, profile, 4, fill_rated=False).movie_ids]
    diverse = [int(m) % 4 for m in ask(model, profile, 4, fill_rated=False, diversity=0.8).movie_ids]
    assert {1, 2} == set(plain) == set(diverse)
    assert plain.count(2) == 3
    assert diverse.count(2) == 2


@settings(deadline=None, max_examples=30)
@given(profiles)
def test_popularity_moves_the_order_alone(profile: dict[int, float]) -> None:
    lists = [ask(BLENDED, profile, M, fill_rated=False, popularity=p) for p in (0.0, 0.25, 0.5, 1.0)]
    told = [dict(zip(r.movie_ids.tolist(), r.preferences.tolist(), strict=True)) for r in lists]
    assert all(each == told[0] for each in told)
    assert lists[2].movie_ids.tolist() == ask(BLENDED, profile, M, fill_rated=False).movie_ids.tolist()


def test_hidden_gems_are_less_known_and_well_known_films_more() -> None:
    known = []
    for popularity in (0.0, 0.5, 1.0):
        lists = [ask(MODEL, {movie: 5.0}, 8, fill_rated=False, popularity=popularity) for movie in range(30)]
        known.append(np.mean([MODEL.familiarity[MODEL.rows(each.movie_ids)].mean() for each in lists]))
    assert known[0] < known[1] - 0.002
    assert known[1] < known[2] - 0.002
    assert MODEL.familiarity.max() == 1


@settings(deadline=None, max_examples=30)
@given(profiles, st.integers(1, 20))
def test_diversity_brings_in_no_movie_that_is_not_near(profile: dict[int, float], limit: int) -> None:
    plain = ask(MODEL, profile, limit, fill_rated=False)
    diverse = ask(MODEL, profile, limit, fill_rated=False, diversity=0.9)
    if plain.source == "personal" and len(plain.movie_ids):
        unrated = MODEL.preferences(list(profile), list(profile.values()))[
            ~np.isin(MODEL.movie_ids, [*profile])
        ]
        new = ~np.isin(diverse.movie_ids, plain.movie_ids)
        assert (diverse.preferences[new] >= NEAR * unrated.max() - 1e-6).all()


def test_only_dislikes_push_their_neighbours_to_the_end() -> None:
    model = train(tastes(200), TrainSettings(factors=8, sweeps=5))
    profile = {4: 1.0, 8: LOW, 12: 0.5}
    near = set(avoided(model, list(profile), list(profile.values()), [1, 2, 3]).tolist()) - {4, 8, 12}
    assert set(range(16, 61, 4)) <= near
    ranking = ask(model, profile, 57 - len(near), fill_rated=False)
    assert ranking.source == "popular"
    assert not near & set(ranking.movie_ids.tolist())
    assert near <= set(ask(model, profile, 60, fill_rated=False).movie_ids.tolist())
    assert not len(avoided(model, [4, 1], [1.0, 5.0], [1, 2]))
    assert not len(avoided(model, [], [], []))


@given(st.floats(0, 1, width=32), st.floats(0, 3, width=32))
def test_the_knob_moves_by_a_share_of_the_best_preference(popularity: float, best: float) -> None:
    preferences = np.array([-1, best / 2, best], np.float32)
    default = DISCOUNTS[1]
    assert discount(preferences, 0.5) == pytest.approx(default)
    moved, whole = (discount(p, popularity) - default for p in (preferences, np.ones(1, np.float32)))
    assert moved == pytest.approx(min(1.0, best) * whole, abs=1e-6)
    assert discount(np.zeros(0, np.float32), popularity) == default


def test_a_list_and_its_reasons_are_solved_from_the_same_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[Any]()

    def noted(*given: Any) -> Any:
        made.append(given)
        return prepared(*given)

    monkeypatch.setattr(fold_in, "prepared", noted)
    ids, scores, among = [1, 5, 9], [5.0, 4.0, 2.5], np.array([True, True, False])
    ranking = rank(BLENDED, ids, scores, [1, 2, 3], limit=5, fill_rated=False)
    assert ranking.user is not None
    found = ranking.user.strongest(ranking.movie_ids, 2, among, lambda: None)
    assert len(made) == 1
    expected = BLENDED.strongest(ids, scores, ranking.movie_ids, 2, among=among)
    assert all((one == other).all() for one, other in zip(found, expected, strict=True))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.recommender.als import TrainSettings, train
from app.recommender.evaluation import (
    AT_ONCE,
    Evaluation,
    evaluate,
    evaluate_popularity,
    held_out_users,
    measure,
    mix,
    split,
)
from app.recommender.interactions import Interactions
from app.serving.gate import decide, paired_interval
from tests.recommender.ratings import tastes

INTERACTIONS = tastes(500)
SMALL = TrainSettings(factors=8, sweeps=4)


@pytest.mark.parametrize(
    ("users", "chosen"),
    [
        (0, 0),
        (299, 0),
        (300, 30),
        (610, 61),
        (1000, 100),
        (5000, 100),
        (6040, 121),
        (138_000, 2760),
        (10**6, 10_000),
    ],
)
def test_how_many_users_are_held_out(users: int, chosen: int) -> None:
    assert held_out_users(users) == chosen


def pairs(interactions: Interactions) -> set[tuple[int, int]]:
    table = interactions.scores
    users, movies = interactions.user_ids[table.row_numbers()], interactions.movie_ids[table.indices]
    return set(zip(users.tolist(), movies.tolist(), strict=True))


def test_a_split_loses_no_rating_and_shares_no_user() -> None:
    training, held_out = split(INTERACTIONS)
    folded, relevant = pairs(held_out.folded), pairs(held_out.relevant)
    assert len(held_out.folded.user_ids) == 50
    assert not set(training.user_ids) & set(held_out.folded.user_ids)
    assert not folded & relevant
    rest = pairs(INTERACTIONS) - pairs(training)
    assert folded | relevant <= rest
    scores = dict(zip(sorted(pairs(INTERACTIONS)), INTERACTIONS.scores.values, strict=True))
    assert all(scores[pair] < 4 for pair in rest - folded - relevant)
    assert all(scores[pair] >= 4 for pair in relevant)
    assert len(folded) / len(rest) == pytest.approx(0.8, abs=0.05)


def test_most_held_out_users_stay_when_others_come() -> None:
    before = set(split(INTERACTIONS)[1].folded.user_ids.tolist())
    after = set(split(tastes(520))[1].folded.user_ids.tolist())
    assert len(before - after) <= 5
    assert before != set(split(INTERACTIONS, seed=1)[1].folded.user_ids.tolist())


def test_few_users_are_all_trained_on() -> None:
    few = tastes(299)
    training, held_out = split(few)
    assert pairs(training) == pairs(few)
    assert len(held_out.folded.user_ids) == 0
    model = train(training, SMALL)
    decision = decide(evaluate(model, held_out), evaluate_popularity(model, held_out))
    assert decision.promoted
    assert "too few users" in decision.reason


def test_a_model_of_tastes_beats_popularity_and_one_of_noise_does_not() -> None:
    training, held_out = split(INTERACTIONS)
    model = train(training, SMALL)
    found, popular = evaluate(model, held_out), evaluate_popularity(model, held_out)
    assert found.ndcg > popular.ndcg + 0.2
    assert found.recall > popular.recall
    assert found.coverage > popular.coverage
    assert decide(found, popular).promoted
    noise = train(shuffled(training), SMALL)
    refused = decide(evaluate(noise, held_out), popular, found)
    assert not refused.promoted
    assert "Not served: NDCG@100" in refused.reason


def test_any_number_of_threads_finds_the_same() -> None:
    training, held_out = split(INTERACTIONS)
    model = train(training, SMALL)
    one, four = evaluate(model, held_out), evaluate(model, held_out, threads=4)
    assert len(one.user_ids) > AT_ONCE
    assert one.summary() == four.summary()
    assert one.user_ids.tolist() == four.user_ids.tolist()
    assert one.user_ndcg.tobytes() == four.user_ndcg.tobytes()


def shuffled(interactions: Interactions) -> Interactions:
    table = interactions.scores
    random = np.random.default_rng(0)
    users = interactions.user_ids[table.row_numbers()]
    return Interactions.from_arrays(
        users, random.permutation(interactions.movie_ids[table.indices]), table.values
    )


def test_known_metrics() -> None:
    """Nine movies, always in the order of their ids, against the textbook formula."""
    training, held_out = split(tastes(400, movies=9))
    model = train(training, SMALL)
    ranks = np.arange(9, 0, -1).astype(np.float32)
    evaluation = measure(held_out, model, lambda _ids, _scores: ranks.copy())
    for user, ndcg in zip(evaluation.user_ids, evaluation.user_ndcg, strict=True):
        seen = {m for u, m in pairs(held_out.folded) if u == user}
        left = [m for m in range(1, 10) if m not in seen]
        wanted = {m for u, m in pairs(held_out.relevant) if u == user}
        gains = sum(1 / np.log2(place + 2) for place, movie in enumerate(left) if movie in wanted)
        assert ndcg == pytest.approx(gains / sum(1 / np.log2(place + 2) for place in range(len(wanted))))
    assert evaluation.coverage == 1
    assert set(evaluation.user_ids) == {u for u, _ in pairs(held_out.relevant)}
    assert evaluation.ndcg == pytest.approx(evaluation.user_ndcg.mean())


def test_movies_that_a_model_lacks_count_as_missed() -> None:
    training, held_out = split(INTERACTIONS)
    partial = train(Interactions.from_arrays([1, 2], [1, 1], [5, 5]), SMALL)
    assert evaluate(partial, held_out).ndcg < evaluate(train(training, SMALL), held_out).ndcg


def evaluation(*ndcg: float) -> Evaluation:
    values = np.array(ndcg)
    mean = float(values.mean()) if len(values) else 0.0
    return Evaluation(np.arange(len(values)), values, mean, 0.0, 0.0)


def test_gate() -> None:
    good, better, popular = evaluation(0.5, 0.4), evaluation(0.6, 0.5), evaluation(0.2, 0.2)
    assert decide(good, popular).promoted
    assert decide(good, popular, better, margin=0.2).promoted
    assert not decide(good, popular, better, margin=0.05).promoted
    assert "the model being served" in decide(good, popular, better, margin=0.05).reason
    assert not decide(popular, popular).promoted
    assert "the popular list" in decide(popular, good).reason


def test_paired_interval() -> None:
    low, high = paired_interval(evaluation(0.5, 0.6, 0.7), evaluation(0.4, 0.4, 0.4))
    assert (low + high) / 2 == pytest.approx(0.2)
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / 3**0.5)
    assert paired_interval(evaluation(0.5), evaluation(0.4)) == (-np.inf, np.inf)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, min_size=2), st.integers(0, 5))
def test_the_hash_is_one_to_one(ids: list[int], seed: int) -> None:
    assert len(set(mix(np.array(ids, np.int64), seed).tolist())) == len(ids)

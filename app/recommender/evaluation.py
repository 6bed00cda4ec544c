"""How good a model is for users it has never seen."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.arrays import Floats, Integers
from app.recommender.interactions import Interactions
from app.recommender.item_weights import rows_of
from app.recommender.model import Model
from app.recommender.ranking import worth
from app.recommender.selection import top

RELEVANT = 4.0
"""Least score of a held-out rating whose movie should have been recommended."""
TESTED = 0.2
"""Share of a held-out user's ratings that is looked for; the others are folded in."""
FEWEST, MOST = 30, 10_000
"""Held-out users: none if there would be fewer, and never more."""
AT_ONCE = 32
"""Users whose preferences are one product: a few MB."""
DEPTH, RECALLED, SHOWN = 100, 20, 10
"""Lengths of the list for NDCG, recall and coverage."""

Predict = Callable[[Integers, Floats], Floats]
"""From one user's movie ids and scores to the preference for each movie of the model, [M]."""
Predicted = Callable[[list[int]], Iterator[Floats]]
"""The same for some of the held-out users, by their rows."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Users kept out of training: the ratings that are folded in, and those that are looked for."""

    folded: Interactions
    relevant: Interactions  # the same users in the same rows


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Means over the held-out users with at least one relevant movie."""

    user_ids: Integers  # [users]
    user_ndcg: NDArray[np.float64]  # [users], for paired comparisons
    ndcg: float  # NDCG@100
    recall: float  # Recall@20, of at most 20
    coverage: float  # share of the movies that are in the top 10 of at least one user

    def summary(self) -> dict[str, Any]:
        """The figures that are stored with a model version."""
        return {
            "users": len(self.user_ids),
            "ndcg_at_100": round(self.ndcg, 5),
            "recall_at_20": round(self.recall, 5),
            "coverage_at_10": round(self.coverage, 5),
        }


def held_out_users(users: int) -> int:
    """2% of the users, at least 100 but no more than a tenth, at most 10,000; 0 if that is under 30."""
    chosen = min(max(-(-users // 50), 100), users // 10, MOST)
    return chosen if chosen >= FEWEST else 0


def split(
    interactions: Interactions, seed: int = 0, chosen: int | None = None, part: int = 0
) -> tuple[Interactions, HeldOut]:
    """The ratings to train on, and the held-out users: `chosen` many, by default `held_out_users`.

    Users and ratings are chosen by a hash of their ids, so the choice is stable as others come and go.
    Other parts hold out others: from part 0 on, each user is in one part.
    """
    chosen = held_out_users(len(interactions.user_ids)) if chosen is None else chosen
    out = np.zeros(len(interactions.user_ids), bool)
    out[_by_hash(interactions.user_ids, seed)[part * chosen : (part + 1) * chosen]] = True
    return interactions.users(~out), _hold_out(interactions.users(out), seed)


def held_out_of(user_ids: Integers) -> Integers:
    """Those of the users [U] that `split` holds out, ascending."""
    return np.sort(user_ids[_by_hash(user_ids, 0)[: held_out_users(len(user_ids))]])


def _by_hash(user_ids: Integers, seed: int) -> NDArray[np.int64]:
    """[U]: the users in the order of the hashes of their ids."""
    return np.argsort(mix(user_ids, seed), kind="stable")


def _hold_out(users: Interactions, seed: int) -> HeldOut:
    table = users.scores
    pairs = mix(
        mix(users.user_ids, seed)[table.row_numbers()] ^ mix(users.movie_ids, ~seed)[table.indices], seed
    )
    tested = pairs < np.uint64(int(TESTED * 2**64))
    relevant = tested & (table.values >= RELEVANT)
    return HeldOut(
        Interactions(users.user_ids, users.movie_ids, table.select(~tested)),
        Interactions(users.user_ids, users.movie_ids, table.select(relevant)),
    )


def evaluate(model: Model, held_out: HeldOut, threads: int = 1) -> Evaluation:
    """Evaluate the model as it is served: fold in, exclude what was folded in, rank."""

    def worths(rows: list[int]) -> Iterator[Floats]:
        folded = [model.folded(*_ratings(held_out.folded, row)) for row in rows]
        found = np.stack([one.factors for one in folded]) @ model.columns
        return (worth(model, one.blended(own)) for one, own in zip(folded, found, strict=True))

    return _judged(model, held_out, worths, threads)


def evaluate_popularity(model: Model, held_out: HeldOut, threads: int = 1) -> Evaluation:
    """The same for the popular list, which an unknown user gets."""
    counts = model.counts.astype(np.float32)
    return measure(held_out, model, lambda _ids, _scores: counts.copy(), threads)


def measure(held_out: HeldOut, model: Model, predict: Predict, threads: int = 1) -> Evaluation:
    """Evaluate any predictor over the movies of `model`; the array that it returns is overwritten."""

    def predicted(rows: list[int]) -> Iterator[Floats]:
        return (predict(*_ratings(held_out.folded, row)) for row in rows)

    return _judged(model, held_out, predicted, threads)


def _judged(model: Model, held_out: HeldOut, predict: Predicted, threads: int = 1) -> Evaluation:
    """`predict` gives the preferences [M] of each of some users, by their rows; they are overwritten.

    Some users at once, since factors are large; with the same figures on any number of threads.
    """
    tested = np.flatnonzero(held_out.relevant.scores.lengths)  # for whom something is looked for

    def judge(first: int) -> list[tuple[float, float, NDArray[np.int64]]]:
        rows = tested[first : first + AT_ONCE].tolist()
        return [_one(model, held_out, *pair) for pair in zip(rows, predict(rows), strict=True)]

    with ThreadPoolExecutor(threads) as pool:
        found = [one for some in pool.map(judge, range(0, len(tested), AT_ONCE)) for one in some]
    ndcg, recall, shown = zip(*found, strict=True) if found else ((), (), ())
    listed = np.unique(np.concatenate([np.empty(0, np.int64), *shown]))
    return Evaluation(
        held_out.relevant.user_ids[tested],
        np.array(ndcg, np.float64),
        float(np.mean(ndcg)) if ndcg else 0.0,
        float(np.mean(recall)) if recall else 0.0,
        len(listed) / len(model.movie_ids) if len(model.movie_ids) else 0.0,
    )


def _one(
    model: Model, held_out: HeldOut, row: int, predicted: Floats
) -> tuple[float, float, NDArray[np.int64]]:
    """NDCG, recall, and the rows of the movies that are shown, of one user."""
    rated = model.rows(_ratings(held_out.folded, row)[0])
    predicted[rated[rated >= 0]] = -np.inf
    best = top(predicted, model.order, DEPTH)
    relevant, _ = _ratings(held_out.relevant, row)
    hits = rows_of(relevant, model.movie_ids[best]) >= 0
    return (
        _ndcg(hits, len(relevant)),
        float(hits[:RECALLED].sum() / min(RECALLED, len(relevant))),
        best[:SHOWN],
    )


def mix(ids: ArrayLike, seed: int = 0) -> NDArray[np.uint64]:
    """Hashes of 64-bit numbers, one each (the finaliser of SplitMix64; Steele, Lea, Flood 2014)."""
    x = np.asarray(ids).astype(np.uint64) + np.uint64((0x9E3779B97F4A7C15 * (seed + 1)) % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _ndcg(hits: NDArray[np.bool_], relevant: int) -> float:
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    return float(discounts[: len(hits)][hits].sum() / discounts[:relevant].sum())


def _ratings(interactions: Interactions, row: int) -> tuple[Integers, Floats]:
    table = interactions.scores
    part = slice(int(table.indptr[row]), int(table.indptr[row + 1]))
    return interactions.movie_ids[table.indices[part]], table.values[part]

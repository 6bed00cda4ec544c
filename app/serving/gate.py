"""The gate: whether a new model becomes active."""

from dataclasses import dataclass

import numpy as np

from app.recommender.evaluation import Evaluation


@dataclass(frozen=True)
class Decision:
    promoted: bool
    reason: str


def decide(
    candidate: Evaluation,
    popularity: Evaluation,
    incumbent: Evaluation | None = None,
    margin: float = 0.01,
) -> Decision:
    """Promote `candidate` if it beats popularity and its NDCG@100 is at most `margin` below the incumbent's.

    All three are evaluations of the same held-out users. Without held-out users, the candidate is promoted.
    """
    if not len(candidate.user_ids):
        return Decision(True, "Served untested: too few users to hold some out.")
    if candidate.ndcg <= popularity.ndcg:
        return Decision(False, f"Not served: {_compare(candidate, popularity, 'the popular list')}.")
    if incumbent is not None and candidate.ndcg < incumbent.ndcg - margin:
        text = _compare(candidate, incumbent, "the model being served")
        return Decision(False, f"Not served: {text}; {margin:g} less would pass.")
    return Decision(True, f"Served: {_compare(candidate, popularity, 'the popular list')}.")


def paired_interval(first: Evaluation, second: Evaluation) -> tuple[float, float]:
    """The 95% interval of the mean difference in NDCG@100, `first` minus `second`, paired by user."""
    difference = first.user_ndcg - second.user_ndcg
    if len(difference) < 2:
        return float("-inf"), float("inf")
    half = 1.96 * float(difference.std(ddof=1)) / np.sqrt(len(difference))
    return float(difference.mean() - half), float(difference.mean() + half)


def _compare(first: Evaluation, second: Evaluation, name: str) -> str:
    low, high = paired_interval(first, second)
    return (
        f"NDCG@100 {first.ndcg:.4f} against {second.ndcg:.4f} of {name} "
        f"on {len(first.user_ids)} held-out users (95% interval of the difference {low:+.4f} to {high:+.4f})"
    )

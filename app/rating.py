"""Ratings: what one is, and the scale."""

from dataclasses import dataclass

LOWEST, HIGHEST, STEP = 0.5, 5.0, 0.5
MAX_ID = 2**63 - 1
CLOCK_TOLERANCE = 300
"""Seconds by which a rating may lie in the future, for clocks that run ahead."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One user's score of one movie; `rated_at` in epoch seconds (UTC)."""

    user_id: int
    movie_id: int
    score: float
    rated_at: int

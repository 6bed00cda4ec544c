"""Calls for recommendations, and what may be wished of them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from app.client_calls.answers import Explanation, RecommendationBatch, RecommendedMovies, Together
from app.client_calls.calls import Calls


class Wanted(TypedDict, total=False):
    """Which movies may be listed, and how well known they are to be.

    `decades`: 1990 is 1990 to 1999. `exclude`, `among`: ids. `min_ratings`: movies that so many users or more
    have rated. `popularity`: 0 (hidden gems) to 1 (well known).
    """

    genre: str
    year_from: int
    year_to: int
    decades: Sequence[int]
    exclude: Sequence[int]
    among: Sequence[int]
    min_ratings: int
    popularity: float


class Wish(Wanted, total=False):
    """`diversity`, 0 to 1: how different from each other the movies are to be."""

    diversity: float


class OwnWish(Wish, total=False):
    """`watchlist`: `only` the movies on it, or `without` them."""

    watchlist: str


class RecommendationCalls(Calls):
    def rich_recommendations(
        self, user_id: int, limit: int = 10, **wish: Unpack[OwnWish]
    ) -> RecommendedMovies:
        """With movies and reasons: `source`, `model_version`, `recommendations`."""
        params = {"decade" if name == "decades" else name: value for name, value in wish.items()}
        return self._read(RecommendedMovies, f"/users/{user_id}/recommendations", limit=limit, **params)

    def recommend_for_ratings(
        self, ratings: Sequence[Mapping[str, Any]], limit: int = 10, **wish: Unpack[Wish]
    ) -> RecommendedMovies:
        """What a user with these ratings (`movie_id`, `score`) would be recommended. Nothing is stored."""
        body = {"ratings": [dict(rating) for rating in ratings], "limit": limit, **wish}
        return self._changed(RecommendedMovies, "POST", "/recommendations", json=body)

    def batch_recommendations(
        self, user_ids: Sequence[int], limit: int = 10, *, reasons: bool = False, **wish: Unpack[Wish]
    ) -> RecommendationBatch:
        """Those of up to 100 users: `model_version`, and in `users` a list for each, in their order."""
        body = {"user_ids": list(user_ids), "limit": limit, "reasons": reasons, **wish}
        return self._changed(RecommendationBatch, "POST", "/recommendations/batch", json=body)

    def recommend_together(
        self, user_ids: Sequence[int], limit: int = 10, *, rule: str = "least", **wish: Unpack[Wanted]
    ) -> Together:
        """One list for two to eight people, by the `least` that one gets out of a movie, or by the `mean`."""
        body = {"users": list(user_ids), "limit": limit, "rule": rule, **wish}
        return self._changed(Together, "POST", "/recommendations/together", json=body)

    def explanation(self, user_id: int, movie_id: int) -> Explanation:
        """Why a movie is recommended to a user or not: `rank`, `preference`, `because`, `excluded_by`."""
        return self._read(Explanation, f"/users/{user_id}/movies/{movie_id}/explanation")

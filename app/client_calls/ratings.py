"""Calls on ratings."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.client_calls.answers import BatchResult, RatedMovie, Rating
from app.client_calls.calls import Calls


class RatingCalls(Calls):
    def list_ratings(
        self,
        user_id: int | None = None,
        movie_id: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> list[Rating]:
        """Ratings by user and movie."""
        return self._listed(
            Rating, "/ratings", user_id=user_id, movie_id=movie_id, limit=limit, cursor=cursor
        )

    def list_rated_movies(self, user_id: int, limit: int = 50, cursor: str | None = None) -> list[RatedMovie]:
        """A user's ratings with their movies, newest first."""
        return self._listed(RatedMovie, f"/users/{user_id}/ratings", limit=limit, cursor=cursor)

    def rate_movie(self, user_id: int, movie_id: int, score: float) -> Rating:
        """As `rate`, by the address of the rating."""
        return self._changed(Rating, "PUT", _place(user_id, movie_id), json={"score": score})

    def get_rating(self, user_id: int, movie_id: int) -> Rating:
        return self._read(Rating, _place(user_id, movie_id))

    def delete_rating(self, user_id: int, movie_id: int) -> None:
        """Take a rating back."""
        self._change("DELETE", f"/ratings/{user_id}/{movie_id}")

    def delete_rating_of_user(self, user_id: int, movie_id: int) -> None:
        """The same, by its other address."""
        self._change("DELETE", _place(user_id, movie_id))

    def rate_movies(
        self,
        ratings: Sequence[Mapping[str, Any]],
        *,
        atomic: bool = False,
        idempotency_key: str | None = None,
    ) -> BatchResult:
        """Up to 10,000 ratings (`user_id`, `movie_id`, `score`) in one transaction; `atomic`: all or none."""
        body = {"ratings": [dict(rating) for rating in ratings]}
        params = {"atomic": atomic}
        return self._changed(BatchResult, "POST", "/ratings/batch", idempotency_key, json=body, params=params)


def _place(user_id: int, movie_id: int) -> str:
    return f"/users/{user_id}/ratings/{movie_id}"

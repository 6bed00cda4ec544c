"""Calls on movies."""

from collections.abc import Sequence
from typing import Any

from app.client_answers import json_list, json_object
from app.client_calls.answers import Movie, SimilarMovie
from app.client_calls.calls import Calls, given
from app.client_calls.states import Started


class MovieCalls(Calls):
    def top_movies(self, limit: int = 10) -> list[Movie]:
        """The best rated."""
        return self._listed(Movie, "/movies/top", limit=limit)

    def popular_movies(self, limit: int = 10) -> list[Movie]:
        """The most rated."""
        return self._listed(Movie, "/movies/popular", limit=limit)

    def new_movies(self, limit: int = 10) -> list[Movie]:
        """Those without ratings, then those added last."""
        return self._listed(Movie, "/movies/new", limit=limit)

    def movies_by_ids(self, ids: Sequence[int]) -> list[Movie]:
        """Up to 1,000, in this order; ids that no movie has are left out."""
        return self._listed(Movie, "/movies", ids=list(ids))

    def replace_movie(
        self,
        movie_id: int,
        title: str,
        year: int | None = None,
        genre: str | None = None,
        *,
        if_match: str | None = None,
    ) -> Movie:
        """Replace all three: what is not given is cleared. `if_match`: its ETag as it was read."""
        body = given({"title": title, "year": year, "genre": genre})
        headers = _condition(if_match)
        return self._changed(Movie, "PUT", f"/movies/{movie_id}", json=body, headers=headers)

    def change_movie(self, movie_id: int, *, if_match: str | None = None, **changes: Any) -> Movie:
        """Change `title`, `year` or `genre`, those that are named; None clears a year or genre."""
        headers = _condition(if_match)
        return self._changed(Movie, "PATCH", f"/movies/{movie_id}", json=changes, headers=headers)

    def delete_movie(self, movie_id: int, *, force: bool = False, if_match: str | None = None) -> None:
        """Delete a movie; with `force` its ratings too."""
        params = {"force": force}
        self._change("DELETE", f"/movies/{movie_id}", params=params, headers=_condition(if_match))

    def merge_movies(self, movie_id: int, from_id: int, idempotency_key: str | None = None) -> Started:
        """Make the movie `from_id` a part of another, in a task."""
        body = {"from": from_id}
        return self._changed(Started, "POST", f"/movies/{movie_id}/merge", idempotency_key, json=body)

    def histogram(self, movie_id: int) -> dict[str, int]:
        """How many ratings of each score the movie has."""
        return json_object(self._get(f"/movies/{movie_id}/histogram"))

    def similar_movies(self, movie_id: int, limit: int = 10) -> list[SimilarMovie]:
        return self._listed(SimilarMovie, f"/movies/{movie_id}/similar", limit=limit)

    def list_genres(self) -> list[str]:
        return json_list(self._get("/genres"), str, "a list of genres")


def _condition(if_match: str | None) -> dict[str, str]:
    return given({"If-Match": if_match})

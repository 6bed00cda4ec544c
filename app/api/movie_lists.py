"""Lists of movies with what is said of each: what is recommended and why, what was rated, what is similar.

The functions make an answer of plain values and write it out in one pass. It is made from what the database
holds, so it is not checked once more against the models, which describe it; tests do that.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel

from app.api.answers import MovieAnswer, movie_fields
from app.movie import Movie
from app.repository.user_ratings import RatedMovie
from app.serving import recommendations as serving

Source = Literal["personal", "popular"]


class Reason(BaseModel):
    """A movie that the user rated, and what the rating adds to the preference for the recommended one."""

    movie: MovieAnswer
    score: float
    contribution: float


class RecommendedMovie(BaseModel):
    """`preference`: what the model predicts, about 1 for a liked movie and 0 for an unknown one.

    `because`: the ratings that add most to it.
    """

    movie: MovieAnswer
    preference: float
    because: list[Reason]


class Recommendations(BaseModel):
    """Best first. `source`: from the user's own ratings, or what is popular; version 0: there is no model."""

    source: Source
    model_version: int
    recommendations: list[RecommendedMovie]


class UserRecommendations(BaseModel):
    """Of one user of several. `because` is empty unless `reasons` were asked for."""

    user_id: int
    source: Source
    recommendations: list[RecommendedMovie]


class BatchAnswer(BaseModel):
    """The lists of several users, in the order in which they were named, all from one model."""

    model_version: int
    users: list[UserRecommendations]


class RatedMovieAnswer(BaseModel):
    movie: MovieAnswer
    score: float
    rated_at: datetime


class SimilarMovie(BaseModel):
    """`similarity`: the cosine of the two movies' factors, at most 1."""

    movie: MovieAnswer
    similarity: float


class Movies:
    """The fields of movies, made once for each movie of an answer."""

    def __init__(self) -> None:
        self._made: dict[int, dict[str, Any]] = {}

    def __call__(self, movie: Movie) -> dict[str, Any]:
        """As `MovieAnswer` has them."""
        made = self._made.get(movie.id)
        if made is None:
            made = self._made[movie.id] = movie_fields(movie)
        return made


def recommendations(found: Iterable[serving.Recommendation], source: str, version: int) -> dict[str, Any]:
    """As `Recommendations`."""
    return {"source": source, "model_version": version, "recommendations": recommended(found, Movies())}


def recommended(found: Iterable[serving.Recommendation], fields: Movies) -> list[dict[str, Any]]:
    """As a list of `RecommendedMovie`."""
    return [
        {
            "movie": fields(one.movie),
            "preference": one.preference,
            "because": reasons(one.because, fields),
        }
        for one in found
    ]


def reasons(found: Iterable[serving.Reason], fields: Movies) -> list[dict[str, Any]]:
    """As a list of `Reason`."""
    return [
        {"movie": fields(one.movie), "score": one.score, "contribution": one.contribution} for one in found
    ]


def rated_movies(found: Iterable[RatedMovie]) -> list[dict[str, Any]]:
    """As a list of `RatedMovieAnswer`."""
    fields = Movies()
    return [
        {
            "movie": fields(rated.movie),
            "score": rated.score,
            "rated_at": datetime.fromtimestamp(rated.rated_at, UTC),
        }
        for rated in found
    ]

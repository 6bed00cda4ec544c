"""Recommendations over HTTP: the plain list of ids, and the rich form with titles and reasons."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from anyio import from_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from app.api import etags
from app.api.answers import sends
from app.api.dependencies import Limit, MovieId, ServiceDependency, UserId
from app.api.edge.manners import Manner, served
from app.api.edge.rules import OWN, VIEWER
from app.api.values import MOST, NUMBER, Count, Genre, Id, Score, Share, Year
from app.movie import Movie
from app.rating import Rating
from app.repository import ratings
from app.serving.recommendations import Filters, Recommendation, Serving

router = APIRouter(tags=["recommendations"])

MAX_RATINGS = 50_000
"""Ratings in the body of a request without a user."""


class Reason(BaseModel):
    movie_id: int
    title: str
    score: float
    contribution: float


class RichRecommendation(BaseModel):
    movie_id: int
    title: str
    year: int | None
    genre: str | None
    score: float
    because: list[Reason]


class RichAnswer(BaseModel):
    source: Literal["personal", "popular"]
    model_version: int
    recommendations: list[RichRecommendation]


class SimilarMovie(BaseModel):
    movie: Movie
    similarity: float


class GivenRating(TypedDict):  # not a model: 30,000 of those take three times the memory
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    movie_id: Annotated[Id, NUMBER]
    score: Annotated[Score, NUMBER]


class WhatIf(BaseModel):
    """Ratings that are not stored, and how to rank by them."""

    model_config = ConfigDict(extra="forbid")

    ratings: Annotated[list[GivenRating], Field(max_length=MAX_RATINGS)]
    limit: Annotated[Count, NUMBER] = 10
    genre: Genre | None = None
    year_from: Annotated[Year, NUMBER] | None = None
    year_to: Annotated[Year, NUMBER] | None = None
    exclude: Annotated[list[Annotated[Id, NUMBER]], Field(max_length=MOST)] = []
    diversity: Annotated[Share, NUMBER] = 0.0


@router.get("/recommendations/{user_id}", dependencies=[OWN], responses=sends("X-Source", "X-Model-Version"))
@etags.tagged
def recommend(
    request: Request,
    user_id: UserId,
    response: Response,
    service: ServiceDependency,
    limit: Limit = 10,
) -> list[int]:
    """Movie ids, best first. `X-Source`: personal, own (the movies that the user liked) or popular."""
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        rated = ratings.of_user(connection, user_id)
        tags = _Tags(request, serving, rated)
        ids, source = serving.plain(rated, limit)
    tags.mark(response, source)
    response.headers["X-Source"] = source
    response.headers["X-Model-Version"] = str(serving.version)
    return ids


@router.get("/users/{user_id}/recommendations", dependencies=[OWN], response_model=RichAnswer)
@etags.tagged
def recommend_richly(
    request: Request,
    user_id: UserId,
    response: Response,
    service: ServiceDependency,
    limit: Limit = 10,
    genre: Annotated[Genre | None, Query(description="movies of this genre alone")] = None,
    year_from: Annotated[Year | None, Query(description="released in this year or later")] = None,
    year_to: Annotated[Year | None, Query(description="released in this year or earlier")] = None,
    exclude: Annotated[
        list[Id] | None, Query(max_length=MOST, description="ids of movies that are left out")
    ] = None,
    diversity: Annotated[
        Share, Query(description="0: by preference alone; 1: as different from each other as can be")
    ] = 0.0,
) -> Any:
    """Movies with titles and the reasons for each, never one that the user rated."""
    filters = Filters(genre, year_from, year_to, tuple(exclude or ()))
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        rated = ratings.of_user(connection, user_id)
        tags = _Tags(request, serving, rated)
        with service.heavy.turn(len(rated) * limit, _departure(request)) as step:
            found, source = serving.rich(rated, limit, filters, diversity, step=step)
    tags.mark(response, source)
    return _answer(found, source, serving.version)


@router.post("/recommendations", dependencies=[VIEWER], response_model=RichAnswer)
@served(Manner.READS)
def recommend_to_anybody(request: Request, body: WhatIf, service: ServiceDependency) -> dict[str, Any]:
    """What a user with these ratings would be recommended. Nothing is stored."""
    given = {rating["movie_id"]: rating["score"] for rating in body.ratings}
    filters = Filters(body.genre, body.year_from, body.year_to, tuple(body.exclude))
    mean = sum(given.values()) / max(1, len(given))
    with (
        service.heavy.turn(len(given) * body.limit, _departure(request)) as step,
        service.database.read() as connection,
    ):
        serving = service.model.serve(connection)
        rated = _known(serving, given)
        found, source = serving.rich(rated, body.limit, filters, body.diversity, mean=mean, step=step)
    return _answer(found, source, serving.version)


def _known(serving: Serving, given: dict[int, float]) -> list[Rating]:
    """The given ratings of movies in the model, as those of one user."""
    now = int(time.time())
    ids = sorted(given)
    known = serving.known(ids).tolist()
    return [Rating(0, i, given[i], now) for i, is_known in zip(ids, known, strict=True) if is_known]


def _departure(request: Request) -> Callable[[], bool]:
    """A function for the request's thread that says whether the caller has disconnected."""
    return lambda: from_thread.run(request.is_disconnected)


class _Tags:
    """The two possible tags of a user's list: a personal list depends on fewer versions than another."""

    def __init__(self, request: Request, serving: Serving, rated: list[Rating]) -> None:
        """Raises `NotModified` if the caller has one of them."""
        mine = [(r.movie_id, r.score, r.rated_at) for r in rated]
        self._personal = etags.tag_of(request, serving.version, serving.state, mine)
        self._other = etags.tag_of(request, serving.version, serving.state, mine, serving.shown)
        self._request = request
        etags.check(request, self._personal, self._other)

    def mark(self, response: Response, source: str) -> None:
        etags.mark(self._request, response, self._personal if source == "personal" else self._other)


@etags.tagged
def _of_similar(request: Request, response: Response, service: ServiceDependency) -> None:
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        tag = etags.tag_of(request, serving.version, serving.state, serving.shown)
    etags.mark(request, response, tag)


@router.get(
    "/movies/{movie_id}/similar",
    response_model=list[SimilarMovie],
    dependencies=[VIEWER, Depends(_of_similar)],
)
def similar_movies(movie_id: MovieId, service: ServiceDependency, limit: Limit = 10) -> list[dict[str, Any]]:
    """Movies that the same users like; none for a movie that is not in the model."""
    with service.database.read() as connection:
        found = service.model.serve(connection).similar(movie_id, limit)
    return [{"movie": movie, "similarity": round(cosine, 4)} for movie, cosine in found]


def _answer(found: list[Recommendation], source: str, version: int) -> dict[str, Any]:
    return {
        "source": source,
        "model_version": version,
        "recommendations": [
            {
                "movie_id": r.movie.id,
                "title": r.movie.title,
                "year": r.movie.year,
                "genre": r.movie.genre,
                "score": r.preference,
                "because": [
                    {
                        "movie_id": reason.movie.id,
                        "title": reason.movie.title,
                        "score": reason.score,
                        "contribution": reason.contribution,
                    }
                    for reason in r.because
                ],
            }
            for r in found
        ],
    }

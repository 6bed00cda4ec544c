"""Recommendations over HTTP: the plain list of ids, and the rich form with titles and reasons."""

import hashlib
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.dependencies import MovieId, ServiceDependency, UserId
from app.api.edge.manners import Manner, served
from app.api.ratings import Id, Score
from app.movies import Movie
from app.ratings import Rating
from app.repository import ratings
from app.serving import Filters, Recommendation

router = APIRouter(tags=["recommendations"])

RecommendationLimit = Annotated[int, Query(ge=1, le=1000)]
MAX_RATINGS = 50_000


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


class GivenRating(BaseModel):
    model_config = ConfigDict(extra="forbid")

    movie_id: Id
    score: Score


class WhatIf(BaseModel):
    """Ratings of somebody without an account. Nothing of it is kept."""

    model_config = ConfigDict(extra="forbid")

    ratings: Annotated[list[GivenRating], Field(max_length=MAX_RATINGS)]
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    genre: Annotated[str | None, Field(max_length=100)] = None
    year_from: int | None = None
    year_to: int | None = None
    exclude: Annotated[list[Id], Field(max_length=1000)] = []
    diversity: Annotated[float, Field(ge=0, le=1)] = 0.0


@router.get("/recommendations/{user_id}")
def recommend(
    user_id: UserId, response: Response, service: ServiceDependency, limit: RecommendationLimit = 10
) -> list[int]:
    """Movie ids, best first. `X-Source`: personal, own (the model knows nothing of them yet) or popular."""
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        ids, source = serving.plain(ratings.of_user(connection, user_id), limit)
    response.headers["X-Source"] = source
    response.headers["X-Model-Version"] = str(serving.version)
    return ids


@router.get("/users/{user_id}/recommendations", response_model=RichAnswer)
def recommend_richly(
    request: Request,
    user_id: UserId,
    response: Response,
    service: ServiceDependency,
    limit: RecommendationLimit = 10,
    genre: Annotated[str | None, Query(max_length=100)] = None,
    year_from: int | None = None,
    year_to: int | None = None,
    exclude: Annotated[list[int] | None, Query(max_length=1000)] = None,
    diversity: Annotated[float, Query(ge=0, le=1)] = 0.0,
) -> Any:
    """Movies with titles and the reasons for each; never one that they rated."""
    filters = Filters(genre, year_from, year_to, tuple(exclude or ()))
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        rated = ratings.of_user(connection, user_id)
        tag = _etag(serving.version, rated, request.url.query)
        if serving.version and request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        found, source = serving.rich(rated, limit, filters, diversity)
    if source == "personal":  # the popular list changes with anybody's rating
        response.headers["ETag"] = tag
    return _answer(found, source, serving.version)


@router.post("/recommendations", response_model=RichAnswer)
@served(Manner.READS)
def recommend_to_anybody(body: WhatIf, service: ServiceDependency) -> dict[str, Any]:
    """What somebody with these ratings would be recommended."""
    now = int(time.time())
    given = {r.movie_id: Rating(0, r.movie_id, r.score, now) for r in body.ratings}
    filters = Filters(body.genre, body.year_from, body.year_to, tuple(body.exclude))
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        rated = [rating for movie_id, rating in sorted(given.items()) if serving.knows(movie_id)]
        found, source = serving.rich(rated, body.limit, filters, body.diversity)
    return _answer(found, source, serving.version)


@router.get("/movies/{movie_id}/similar", response_model=list[SimilarMovie])
def similar_movies(
    movie_id: MovieId, service: ServiceDependency, limit: RecommendationLimit = 10
) -> list[dict[str, Any]]:
    """Movies that the same people like; none for a movie that the model does not know."""
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


def _etag(version: int, rated: list[Rating], query: str) -> str:
    text = repr((version, [(r.movie_id, r.score) for r in rated], query))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'

"""Recommendations over HTTP: the plain list of ids, and the rich form with titles and reasons."""

import time
from functools import partial
from typing import Annotated, Any, NamedTuple

from anyio import from_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from app.api import etags, movie_lists
from app.api.answers import sends, written
from app.api.dependencies import Limit, MovieId, ServiceDependency, UserId
from app.api.edge.direct import briefly, direct
from app.api.edge.manners import Manner, served
from app.api.edge.places import leave_place, take_place
from app.api.edge.rules import OWN, VIEWER
from app.api.movie_lists import Recommendations, SimilarMovie
from app.api.movies import MOVED_OR_NONE
from app.api.values import MOST, NUMBER, Count, Id, Score
from app.api.wishes import Diversity, FiltersDependency, Popularity, Wish
from app.measures import RANKING, RECOMMENDATIONS
from app.rating import Rating
from app.recommender.ranking import POPULARITY
from app.service import Service
from app.serving.heavy import Caller
from app.serving.recommendations import Filters, Serving
from app.serving.taste import Taste, Watchlist, taste_of

router = APIRouter(tags=["recommendations"])

MAX_RATINGS = 50_000
"""Ratings in the body of a request without a user."""


class GivenRating(TypedDict):  # not a model: 30,000 of those take three times the memory
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    movie_id: Annotated[Id, NUMBER]
    score: Annotated[Score, NUMBER]


class WhatIf(Wish):
    """Ratings that are not stored, and how to rank by them."""

    ratings: Annotated[list[GivenRating], Field(max_length=MAX_RATINGS)]
    limit: Annotated[Count, NUMBER] = 10


@router.get(
    "/recommendations/{user_id}",
    dependencies=[OWN],
    response_model=list[int],
    responses=sends("X-Source", "X-Model-Version"),
)
@etags.tagged
@direct({"limit": MOST})
async def recommend(
    request: Request,
    user_id: UserId,
    response: Response,
    service: ServiceDependency,
    limit: Limit = 10,
) -> Response:
    """Movie ids, best first. `X-Source`: personal, own (the movies that the user liked) or popular."""
    return await briefly(_recommended, request, response, service, user_id, limit)


def _recommended(
    request: Request, response: Response, service: Service, user_id: int, limit: int
) -> Response:
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        taste = taste_of(connection, user_id)
        tags = _Tags(request, serving, taste)
        began = time.perf_counter()
        ids, source = serving.plain(taste.rated, limit, taste.hidden)
        service.measures.observe(RANKING, time.perf_counter() - began, "plain")
    service.measures.count(RECOMMENDATIONS, source)
    tags.mark(response, source)
    response.headers["X-Source"] = source
    response.headers["X-Model-Version"] = str(serving.version)
    return written(ids, response)


@router.get("/users/{user_id}/recommendations", dependencies=[OWN], response_model=Recommendations)
@etags.tagged
@direct({"limit": MOST}, filters=Filters())
async def recommend_movies(
    request: Request,
    user_id: UserId,
    response: Response,
    service: ServiceDependency,
    filters: FiltersDependency,
    limit: Limit = 10,
    diversity: Diversity = 0.0,
    popularity: Popularity = POPULARITY,
    watchlist: Annotated[
        Watchlist | None, Query(description="movies on the user's watchlist alone, or none of them")
    ] = None,
) -> Response:
    """Movies with the reasons for each, never one that the user rated or that a mark hides."""
    ask = _Asked(user_id, limit, filters, diversity, popularity, watchlist)
    return await briefly(_recommended_movies, request, response, service, ask)


class _Asked(NamedTuple):
    user_id: int
    limit: int
    filters: Filters
    diversity: float
    popularity: float
    watchlist: Watchlist | None


def _recommended_movies(request: Request, response: Response, service: Service, ask: _Asked) -> Response:
    user_id, limit, filters, diversity, popularity, watchlist = ask
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        taste = taste_of(connection, user_id)
        tag = tag_of_list(request, serving, taste, serving.shown)
        etags.check(request, tag)
        filters = taste.narrow(filters, watchlist)
        with service.heavy.turn(len(taste.rated) * limit, caller_of(request)) as step:
            found, source = serving.rich(
                taste.rated, limit, filters, diversity, popularity=popularity, step=step
            )
    etags.mark(request, response, tag)
    return written(movie_lists.recommendations(found, source, serving.version), response)


@router.post("/recommendations", dependencies=[VIEWER], response_model=Recommendations)
@served(Manner.READS)
def recommend_for_ratings(
    request: Request, body: WhatIf, response: Response, service: ServiceDependency
) -> Response:
    """What a user with these ratings would be recommended. Nothing is stored."""
    given = {rating["movie_id"]: rating["score"] for rating in body.ratings}
    mean = sum(given.values()) / max(1, len(given))
    with (
        service.heavy.turn(len(given) * body.limit, caller_of(request)) as step,
        service.database.read() as connection,
    ):
        serving = service.model.serve(connection)
        rated = _known(serving, given)
        order: dict[str, Any] = {"diversity": body.diversity, "popularity": body.popularity}
        found, source = serving.rich(rated, body.limit, body.filters, **order, mean=mean, step=step)
    return written(movie_lists.recommendations(found, source, serving.version), response)


def _known(serving: Serving, given: dict[int, float]) -> list[Rating]:
    """The given ratings of movies in the model, as those of one user."""
    now = int(time.time())
    ids = sorted(given)
    known = serving.known(ids).tolist()
    return [Rating(0, i, given[i], now) for i, is_known in zip(ids, known, strict=True) if is_known]


def caller_of(request: Request) -> Caller:
    """For the thread of the request."""
    return Caller(
        partial(from_thread.run, request.is_disconnected),
        partial(leave_place, request),
        partial(from_thread.run, take_place, request),
    )


def tag_of_list(request: Request, serving: Serving, taste: Taste, *more: int) -> str:
    """The tag of a list that is made from this taste, and shows what the versions `more` stand for."""
    return etags.tag_of(request, serving.version, serving.state, taste.key, *more)


class _Tags:
    """The two possible tags of a user's plain list: a personal one depends on fewer versions than another."""

    def __init__(self, request: Request, serving: Serving, taste: Taste) -> None:
        """Raises `NotModified` if the caller has one of them."""
        self._request = request
        self._personal = partial(tag_of_list, request, serving, taste)
        self._other = partial(self._personal, serving.shown)
        if etags.is_conditional(request):
            etags.check(request, self._personal(), self._other())

    def mark(self, response: Response, source: str) -> None:
        tag = self._personal if source == "personal" else self._other
        etags.mark(self._request, response, tag())


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
    responses=MOVED_OR_NONE,
)
def similar_movies(movie_id: MovieId, service: ServiceDependency, limit: Limit = 10) -> list[dict[str, Any]]:
    """Movies that the same users like; none for a movie that is not in the model."""
    with service.database.read() as connection:
        found = service.model.serve(connection).similar(movie_id, limit)
    return [{"movie": movie, "similarity": round(cosine, 4)} for movie, cosine in found]

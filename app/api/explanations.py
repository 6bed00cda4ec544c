"""Why a movie is recommended to a user, or not, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.api import etags, movie_lists
from app.api.answers import MovieAnswer, written
from app.api.dependencies import MovieId, ServiceDependency, UserId
from app.api.edge.rules import OWN
from app.api.movie_lists import Reason, Source
from app.api.movies import NO_MOVIE
from app.api.recommendations import caller_of, tag_of_list
from app.api.values import Count
from app.api.wishes import FiltersDependency, Popularity
from app.recommender.ranking import POPULARITY
from app.serving.explanation import Explanation, Obstacle, explain
from app.serving.taste import taste_of

router = APIRouter(prefix="/users", tags=["recommendations"])


class ExcludedBy(BaseModel):
    """What keeps the movie out of the list."""

    reason: Obstacle
    detail: str


class Rest(BaseModel):
    """The ratings that `because` does not list: how many, and what they add together."""

    ratings: int
    contribution: float


class ExplanationAnswer(BaseModel):
    """The contributions of `because` and `rest` add up to `preference`.

    `rank`: the place of the movie among the `listed` movies that may be recommended, from 1; for one that is
    excluded the place that it would have. They are null where the model predicts nothing.
    """

    movie: MovieAnswer
    source: Source
    model_version: int
    excluded_by: list[ExcludedBy]
    preference: float | None
    rank: int | None
    listed: int | None
    because: list[Reason]
    rest: Rest


@router.get(
    "/{user_id}/movies/{movie_id}/explanation",
    dependencies=[OWN],
    response_model=ExplanationAnswer,
    responses=NO_MOVIE,
)
@etags.tagged
def explain_movie(
    request: Request,
    user_id: UserId,
    movie_id: MovieId,
    response: Response,
    service: ServiceDependency,
    filters: FiltersDependency,
    limit: Annotated[
        Count, Query(description="ratings in `because` at most: the largest contributions")
    ] = 100,
    popularity: Popularity = POPULARITY,
) -> Response:
    """Why a movie is recommended to a user or not: preference, place, contributions, what keeps it out.

    The filters and `popularity`: as asked of the list.
    """
    with service.database.read() as connection:
        serving = service.model.serve(connection)
        taste = taste_of(connection, user_id)
        tag = tag_of_list(request, serving, taste, serving.shown)
        etags.check(request, tag)
        with service.heavy.turn(len(taste.rated) * limit, caller_of(request)):
            found = explain(serving, taste, movie_id, filters, limit, popularity)
    etags.mark(request, response, tag)
    return written(_answer(found, serving.version), response)


def _answer(found: Explanation, version: int) -> dict[str, object]:
    """As `ExplanationAnswer`."""
    fields = movie_lists.Movies()
    return {
        "movie": fields(found.movie),
        "source": found.source,
        "model_version": version,
        "excluded_by": [{"reason": one.reason, "detail": one.detail} for one in found.excluded],
        "preference": found.preference,
        "rank": found.rank,
        "listed": found.listed,
        "because": movie_lists.reasons(found.because, fields),
        "rest": {"ratings": found.rest, "contribution": found.rest_contribution},
    }

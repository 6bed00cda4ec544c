"""Recommendations for many users in one request over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from app.api import movie_lists
from app.api.answers import written
from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.rules import EDITOR
from app.api.movie_lists import BatchAnswer
from app.api.recommendations import caller_of
from app.api.values import NUMBER, Id
from app.api.wishes import Wish
from app.serving import heavy
from app.serving.taste import taste_of

router = APIRouter(tags=["recommendations"])

MOST_USERS, MOST_MOVIES = 100, 100
"""Users of a batch, and movies for each of them: some 3 MB without reasons."""

Limit = Annotated[int, Field(ge=1, le=MOST_MOVIES), NUMBER]


class Batch(Wish):
    """For whom, and how to rank. `reasons`: with the ratings that each recommendation comes from."""

    user_ids: Annotated[list[Annotated[Id, NUMBER]], Field(min_length=1, max_length=MOST_USERS)]
    limit: Limit = 10
    reasons: Annotated[bool, Field(strict=True)] = False


@router.post("/recommendations/batch", dependencies=[EDITOR], response_model=BatchAnswer)
@served(Manner.READS)
def recommend_in_batch(
    request: Request, body: Batch, response: Response, service: ServiceDependency
) -> Response:
    """What each of up to 100 users is recommended, never a movie that they rated. Nothing is stored."""
    fields, users = movie_lists.Movies(), list[dict[str, Any]]()
    order: dict[str, Any] = {"diversity": body.diversity, "popularity": body.popularity}
    order["reasons"] = body.reasons
    # Always as a heavy one: how many ratings the users have is known only when they have been read.
    with (
        service.heavy.turn(heavy.COST, caller_of(request)) as step,
        service.database.read() as connection,
    ):
        serving = service.model.serve(connection)
        for user_id in body.user_ids:
            step()
            taste = taste_of(connection, user_id)  # of one at a time: one may have many ratings
            filters = taste.narrow(body.filters)
            found, source = serving.rich(taste.rated, body.limit, filters, **order, step=step)
            listed = movie_lists.recommended(found, fields)
            users.append({"user_id": user_id, "source": source, "recommendations": listed})
    return written({"model_version": serving.version, "users": users}, response)

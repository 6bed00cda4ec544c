"""Ratings over HTTP. A rating written here always replaces an earlier one."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from app.api.answers import refusals, sends, written
from app.api.changes import ChangesDependency, is_own
from app.api.dependencies import Cursor, Limit, MovieId, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.rules import OWN
from app.api.etags import SHOWN
from app.api.idempotency import OnceDependency, Reply
from app.api.values import NUMBER, Id, Score
from app.rating import Rating
from app.repository import ratings

router = APIRouter(tags=["ratings"])

NO_RATING = refusals(NotFound="There is no such movie, or the user has not rated it")
NO_MOVIE = refusals(NotFound="There is no such movie")


class RatingBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    movie_id: Annotated[Id, NUMBER]
    user_id: Annotated[Id, NUMBER]
    score: Annotated[Score, NUMBER]


class RatingAnswer(RatingBody):
    rated_at: datetime


def _answer(rating: Rating) -> dict[str, Any]:
    body = {"movie_id": rating.movie_id, "user_id": rating.user_id, "score": rating.score}
    return body | {"rated_at": datetime.fromtimestamp(rating.rated_at, UTC)}


@router.post(
    "/ratings",
    dependencies=[OWN],
    status_code=201,
    response_model=RatingAnswer,
    responses=sends(model=RatingAnswer) | NO_MOVIE,
)
async def put_rating(body: RatingBody, request: Request, response: Response, once: OnceDependency) -> Any:
    """Rate a movie: 201, or 200 if this replaces the user's earlier rating of it."""
    rating = Rating(body.user_id, body.movie_id, body.score, int(time.time()))

    def put(connection: Connection) -> Reply:
        found, is_new = ratings.rate(connection, rating)
        target = f"/ratings/{found.user_id}/{found.movie_id}"
        audited = not is_own(request, rating.user_id)
        return Reply(_answer(found), 201 if is_new else 200, target=target, audited=audited)

    answer = await once.briefly(body, put)
    return answer if isinstance(answer, Response) else written(answer, response)


class ScoreBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    score: Annotated[Score, NUMBER]


@router.put(
    "/users/{user_id}/ratings/{movie_id}",
    dependencies=[OWN],
    response_model=RatingAnswer,
    responses=NO_MOVIE | {201: {"model": RatingAnswer}},
)
async def rate_movie(
    user_id: UserId,
    movie_id: MovieId,
    body: ScoreBody,
    request: Request,
    response: Response,
    changes: ChangesDependency,
) -> Response:
    """Rate a movie, as `POST /ratings` does: 201, or 200 if this replaces the user's earlier rating of it."""
    rating = Rating(user_id, movie_id, body.score, int(time.time()))

    def put(connection: Connection) -> tuple[Rating, bool]:
        return ratings.rate(connection, rating)

    found, is_new = await changes.briefly(put, audited=not is_own(request, user_id))
    response.status_code = 201 if is_new else 200
    return written(_answer(found), response)


@router.get(
    "/users/{user_id}/ratings/{movie_id}",
    dependencies=[OWN, *SHOWN],
    response_model=RatingAnswer,
    responses=NO_RATING,
)
def get_rating(user_id: UserId, movie_id: MovieId, service: ServiceDependency) -> dict[str, Any]:
    """The user's rating of that movie."""
    with service.database.read() as connection:
        return _answer(ratings.get(connection, user_id, movie_id))


@router.get("/ratings", response_model=list[RatingAnswer], dependencies=[OWN, *SHOWN])
def list_ratings(
    request: Request,
    response: Response,
    service: ServiceDependency,
    user_id: Annotated[Id | None, Query(description="ratings by this user alone")] = None,
    movie_id: Annotated[Id | None, Query(description="ratings of this movie alone")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Ratings by user and movie."""
    after = decode_cursor(cursor, 2) or (-1, -1)
    with service.database.read() as connection:
        found = ratings.listing(
            connection, limit=limit, after=(after[0], after[1]), user_id=user_id, movie_id=movie_id
        )
    link_next(request, response, limit, found, lambda last: (last.user_id, last.movie_id))
    return [_answer(rating) for rating in found]


@router.delete("/ratings/{user_id}/{movie_id}", dependencies=[OWN], status_code=204, responses=NO_RATING)
@router.delete(
    "/users/{user_id}/ratings/{movie_id}",
    dependencies=[OWN],
    status_code=204,
    responses=NO_RATING,
    operation_id="delete_rating_of_user",
)
def delete_rating(user_id: UserId, movie_id: MovieId, request: Request, changes: ChangesDependency) -> None:
    """Take a rating back. Either address does the same."""
    with changes.write(audited=not is_own(request, user_id)) as connection:
        ratings.delete(connection, user_id, movie_id)

"""Marks over HTTP: what a person says of a movie beside a score."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from app.api.answers import MovieAnswer
from app.api.changes import ChangesDependency, is_own
from app.api.dependencies import Cursor, Limit, MovieId, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.rules import OWN
from app.api.values import Id
from app.errors import Invalid
from app.mark import Mark, Marked
from app.repository import marks

router = APIRouter(prefix="/users", tags=["feedback"])


class FeedbackBody(BaseModel):
    """The marks to change; those that are not named stay."""

    model_config = ConfigDict(extra="forbid", strict=True)

    watched: bool | None = None
    watchlist: bool | None = None
    like: bool | None = None
    not_interested: bool | None = None


class MarkAnswer(BaseModel):
    """Whether the mark is set, and since when it is as it is."""

    value: bool
    at: datetime


class Marks(BaseModel):
    """A person's marks of a movie; null: never said."""

    watched: MarkAnswer | None = None
    watchlist: MarkAnswer | None = None
    like: MarkAnswer | None = None
    not_interested: MarkAnswer | None = None


class FeedbackAnswer(Marks):
    movie_id: int


class MarkedMovie(Marks):
    movie: MovieAnswer


def _answer(found: dict[Mark, Marked]) -> dict[str, Any]:
    return {
        mark.value: {"value": state.is_set, "at": datetime.fromtimestamp(state.at, UTC)}
        for mark, state in found.items()
    }


@router.get(
    "/{user_id}/feedback",
    dependencies=[OWN],
    response_model=list[MarkedMovie],
    operation_id="list_feedback",
)
def list_feedback(
    user_id: UserId,
    request: Request,
    response: Response,
    service: ServiceDependency,
    mark: Annotated[Mark | None, Query(description="movies with this mark alone")] = None,
    movie_id: Annotated[Id | None, Query(description="this movie alone")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """The movies that the person marked as watched, to watch, liked or of no interest, by id."""
    (after,) = decode_cursor(cursor, 1) or (-1,)
    with service.database.read() as connection:
        found = marks.listing(connection, user_id, limit=limit, after=after, mark=mark, movie_id=movie_id)
    link_next(request, response, limit, found, lambda last: (last.movie.id,))
    return [{"movie": one.movie} | _answer(one.marks) for one in found]


@router.put(
    "/{user_id}/feedback/{movie_id}",
    dependencies=[OWN],
    response_model=FeedbackAnswer,
    operation_id="set_feedback",
)
def set_feedback(
    user_id: UserId, movie_id: MovieId, body: FeedbackBody, request: Request, changes: ChangesDependency
) -> dict[str, Any]:
    """Change the marks that are named. A liked movie is no longer one of no interest, and the reverse."""
    wanted = {Mark(name): value for name, value in body.model_dump(exclude_none=True).items()}
    if not wanted:
        raise Invalid(f"Name a mark to change: {', '.join(Mark)}.")
    if wanted.get(Mark.LIKE) and wanted.get(Mark.NOT_INTERESTED):
        raise Invalid("A movie cannot be liked and of no interest at once. Set one of the two.")
    with changes.write(audited=not is_own(request, user_id)) as connection:
        found = marks.set_marks(connection, user_id, movie_id, wanted, now=int(time.time()))
    return {"movie_id": movie_id} | _answer(found)

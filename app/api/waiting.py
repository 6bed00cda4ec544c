"""Rows that wait for their movie, over HTTP."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict

from app.api.answers import MovieAnswer
from app.api.changes import ChangesDependency, is_own
from app.api.dependencies import Cursor, Limit, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.rules import OWN
from app.api.feedback import MarkAnswer
from app.api.values import NUMBER, Id
from app.mark import Mark
from app.movie import Movie, imdb_text
from app.rating import MAX_ID
from app.repository import movies, waiting
from app.repository.waiting import Waiting

router = APIRouter(prefix="/users", tags=["waiting"])

Number = Annotated[int, Path(ge=1, le=MAX_ID, description="of the row")]


class Candidate(BaseModel):
    """A movie that may be meant, and why."""

    movie: MovieAnswer
    why: str


class WaitingRow(BaseModel):
    """A row of a personal file whose movie is not there. `reason`: why none was taken."""

    number: int
    title: str
    year: int | None
    imdb_id: str | None
    tmdb_id: int | None
    score: float | None
    rated_at: datetime | None
    marks: dict[Mark, MarkAnswer]
    reason: str
    candidates: list[Candidate]
    created_at: datetime


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    movie_id: Annotated[Id, NUMBER]


class Resolved(BaseModel):
    """The movie that has the score and the marks of the row now."""

    number: int
    movie_id: int


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _answer(row: Waiting, known: dict[int, Movie]) -> dict[str, Any]:
    names = ("number", "title", "year", "tmdb_id", "score", "reason")
    candidates = [
        {"movie": known[movie_id], "why": why}
        for movie_id, why in row.candidates
        if movie_id in known  # one that was deleted is none any more
    ]
    return {name: getattr(row, name) for name in names} | {
        "imdb_id": imdb_text(row.imdb_id),
        "rated_at": None if row.rated_at is None else _time(row.rated_at),
        "marks": {mark: {"value": state.is_set, "at": _time(state.at)} for mark, state in row.marks.items()},
        "candidates": candidates,
        "created_at": _time(row.created_at),
    }


@router.get(
    "/{user_id}/waiting",
    dependencies=[OWN],
    response_model=list[WaitingRow],
    operation_id="list_waiting_rows",
)
def list_waiting_rows(
    user_id: UserId,
    request: Request,
    response: Response,
    service: ServiceDependency,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """The rows of the person's files whose movie is not there, with up to three that may be meant."""
    (after,) = decode_cursor(cursor, 1) or (0,)
    with service.database.read() as connection:
        found = waiting.listing(connection, user_id, limit=limit, after=after)
        known = movies.by_ids(connection, {one[0] for row in found for one in row.candidates})
    link_next(request, response, limit, found, lambda last: (last.number,))
    return [_answer(row, known) for row in found]


@router.put(
    "/{user_id}/waiting/{number}",
    dependencies=[OWN],
    response_model=Resolved,
    operation_id="resolve_waiting_row",
)
def resolve_waiting_row(
    user_id: UserId, number: Number, body: Choice, request: Request, changes: ChangesDependency
) -> dict[str, int]:
    """Say which movie a row means: it gets the score and the marks, unless it has newer ones.

    The choice is remembered for later files.
    """
    with changes.write(audited=not is_own(request, user_id)) as connection:
        waiting.resolve(connection, user_id, number, body.movie_id, now=time.time())
    return {"number": number, "movie_id": body.movie_id}


@router.delete(
    "/{user_id}/waiting/{number}",
    dependencies=[OWN],
    status_code=204,
    operation_id="delete_waiting_row",
)
def delete_waiting_row(user_id: UserId, number: Number, request: Request, changes: ChangesDependency) -> None:
    """Delete a row that waits: its score and marks are given up."""
    with changes.write(audited=not is_own(request, user_id)) as connection:
        waiting.remove(connection, user_id, number)

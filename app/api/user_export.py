"""All that is kept about a person, as one JSON file."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app.api.answers import refusals, sends
from app.api.dependencies import ServiceDependency, UserId
from app.api.edge.manners import Manner, served
from app.api.edge.rules import OWN
from app.api.exports import download
from app.mark import Mark
from app.people.export import user_json
from app.service import Service
from app.user import Role

router = APIRouter(prefix="/users", tags=["exports"])


class ExportedName(BaseModel):
    name: str
    created_at: datetime
    together: bool


class ExportedAccount(BaseModel):
    role: Role
    created_at: datetime


class Rated(BaseModel):
    movie_id: int
    title: str | None
    year: int | None
    score: float
    rated_at: datetime


class Kept(BaseModel):
    """Of a rating that a task wrote, and that was changed later."""

    task_id: str
    movie_id: int
    title: str | None


class BeforeImage(Kept):
    """What a rating was before a task replaced it."""

    score: float
    rated_at: datetime


class PersonalBeforeImage(BaseModel):
    """What a mark, a row that waits or a chosen title was before a task changed it; null: there was none."""

    task_id: str
    noun: str
    key: str
    row: dict[str, Any] | None


class ExportedMark(BaseModel):
    """`is_set`: false for one that was taken away."""

    movie_id: int
    mark: Mark
    is_set: bool
    marked_at: datetime


class ExportedWaiting(BaseModel):
    """A row whose movie is not there. `marks`: whether each is set, and since when (epoch seconds)."""

    number: int
    title: str
    year: int | None
    imdb_id: int | None
    tmdb_id: int | None
    score: float | None
    rated_at: datetime | None
    marks: dict[Mark, tuple[bool, int]]
    reason: str
    created_at: datetime


class ExportedAlias(BaseModel):
    """The movie that was chosen for a work."""

    work: str
    movie_id: int
    created_at: datetime


class ExportedPlay(BaseModel):
    """What players reported, once; from its first event to the last."""

    what: str
    work: str
    movie_id: int | None
    first_at: datetime
    last_at: datetime
    sessions: list[str]


class ExportedHook(BaseModel):
    """An address that a player sends events to; without the address."""

    number: int
    player: str
    created_at: datetime
    used_at: datetime | None


class ExportedHookName(BaseModel):
    """Who the person is in a player."""

    hook: int
    name: str


class ExportedList(BaseModel):
    """A list of theirs that has an address; without the address."""

    number: int
    created_at: datetime


class FirstRating(BaseModel):
    movie_id: int


class ExportedTask(BaseModel):
    task_id: str
    kind: str
    status: str
    params: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class IdempotencyRecord(BaseModel):
    """`scope`: caller, method and path; `body`: the response."""

    scope: str
    key: str
    status: int | None
    body: str | None
    created_at: datetime


class ExportedKey(BaseModel):
    prefix: str
    name: str
    role: Role
    address: str | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class ExportedSession(BaseModel):
    created_at: datetime
    expires_at: datetime


class ExportedInvitation(BaseModel):
    expires_at: datetime


class AuditRow(BaseModel):
    at: datetime
    key: str | None
    address: str | None
    action: str
    target: str
    request_id: str | None


class UserExport(BaseModel):
    """All that is kept about a person, but for hashes of passwords, keys and tokens. Times are UTC."""

    id: int
    names: list[ExportedName]
    accounts: list[ExportedAccount]
    ratings: list[Rated]
    before_images: list[BeforeImage]
    personal_before_images: list[PersonalBeforeImage]
    marks: list[ExportedMark]
    waiting: list[ExportedWaiting]
    aliases: list[ExportedAlias]
    plays: list[ExportedPlay]
    hooks: list[ExportedHook]
    hook_names: list[ExportedHookName]
    lists: list[ExportedList]
    later_writes: list[Kept]
    first_ratings: list[FirstRating]
    tasks: list[ExportedTask]
    idempotency_records: list[IdempotencyRecord]
    keys: list[ExportedKey]
    sessions: list[ExportedSession]
    invitations: list[ExportedInvitation]
    audit: list[AuditRow]


@router.get(
    "/{user_id}/export",
    dependencies=[OWN],
    response_class=StreamingResponse,
    responses=sends("Content-Disposition", model=UserExport)
    | refusals(NotFound="Nothing is kept of this user"),
)
@served(Manner.STREAMS)
async def export_user(user_id: UserId, request: Request, service: ServiceDependency) -> StreamingResponse:
    """All that is kept about a person, as JSON. 404 if nothing is."""
    name = f"user-{user_id}.json"
    return await download(request, name, _blocks(service, user_id), "application/json")


def _blocks(service: Service, user_id: int) -> Iterator[str]:
    yield from user_json(service.database, user_id)  # the thread of the first block opens the database

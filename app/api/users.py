"""People over HTTP: a name and an id of one's own."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from app.api.changes import ChangesDependency
from app.api.dependencies import Cursor, Limit, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.rules import ADMIN, VIEWER, CallerDependency
from app.api.idempotency import OnceDependency, Reply
from app.api.values import Id, Name
from app.errors import Forbidden
from app.repository import users
from app.user import User

router = APIRouter(prefix="/users", tags=["users"])


class UserBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name


class UserAnswer(BaseModel):
    """`name` and `created_at` are null for an id that has ratings but no name."""

    id: int
    name: str | None
    rating_count: int
    created_at: datetime | None


def _answer(user: User) -> dict[str, Any]:
    created_at = None if user.created_at is None else datetime.fromtimestamp(user.created_at, UTC)
    return {
        "id": user.id,
        "name": user.name,
        "rating_count": user.rating_count,
        "created_at": created_at,
    }


@router.post("", dependencies=[ADMIN], status_code=201, response_model=UserAnswer)
def create_user(body: UserBody, once: OnceDependency) -> Any:
    """Add a person. 409 if another one has that name, in any case or Unicode form."""

    def create(connection: Connection) -> Reply:
        user = users.create(connection, body.name, now=time.time())
        return Reply(_answer(user), 201, {"Location": f"/users/{user.id}"})

    return once(body, create)


@router.get("", dependencies=[VIEWER], response_model=list[UserAnswer])
def list_users(
    request: Request,
    response: Response,
    service: ServiceDependency,
    caller: CallerDependency,
    every: Annotated[bool, Query(alias="all", description="also ids that have ratings but no name")] = False,
    ids: Annotated[
        list[Id] | None, Query(alias="id", max_length=100, description="these alone, named or not")
    ] = None,
    name: Annotated[Name | None, Query(description="the one of that name, in any case")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """People by id."""
    (after,) = decode_cursor(cursor, 1) or (-1,)
    if ids is not None or name is not None:
        with service.database.read() as connection:
            asked = set(ids or ()) if name is None else users.ids_of(connection, name)
            return [_answer(user) for i in sorted(asked) if (user := users.find(connection, i))]
    if every and caller.confined_to is not None:
        raise Forbidden(f"With the role {caller.role} you see people's names alone: leave out all=true.")
    listing = users.listing_of_all if every else users.listing
    with service.database.read() as connection:
        found = listing(connection, limit=limit, after=after)
    link_next(request, response, limit, found, lambda user: (user.id,))
    return [_answer(user) for user in found]


@router.get("/{user_id}", dependencies=[VIEWER], response_model=UserAnswer)
def get_user(user_id: UserId, service: ServiceDependency) -> dict[str, Any]:
    """A person, or an id that has ratings."""
    with service.database.read() as connection:
        return _answer(users.get(connection, user_id))


@router.patch("/{user_id}", dependencies=[ADMIN], response_model=UserAnswer)
def rename_user(user_id: UserId, body: UserBody, changes: ChangesDependency) -> dict[str, Any]:
    """Change the name, or give one to an id that has ratings. 409 if another one has it."""
    with changes.write() as connection:
        return _answer(users.rename(connection, user_id, body.name, now=time.time()))

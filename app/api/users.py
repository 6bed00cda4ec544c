"""People over HTTP: a name and an id of one's own."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Connection

from app.api import merges
from app.api.answers import refusals, sends
from app.api.changes import ChangesDependency
from app.api.dependencies import Cursor, Limit, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.rules import ADMIN, OWN, VIEWER, CallerDependency
from app.api.idempotency import OnceDependency, Reply
from app.api.merges import MergeBody
from app.api.tasks import Started
from app.api.values import Id, Name
from app.errors import Forbidden, Invalid, NotFound
from app.people.forget import Asker, forget
from app.people.kinds import MERGE, MergeParams
from app.repository import users
from app.user import Caller, User

router = APIRouter(prefix="/users", tags=["users"])

NO_USER = refusals(NotFound="There is no such user")
TAKEN = refusals(Conflict="Another one has that name")


class UserBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name


class UserAnswer(BaseModel):
    """`name` and `created_at` are null for an id that has ratings but no name.

    `together`: others may ask for a list that is for them too.
    """

    id: int
    name: str | None
    rating_count: int
    created_at: datetime | None
    together: bool


def _answer(user: User) -> dict[str, Any]:
    created_at = None if user.created_at is None else datetime.fromtimestamp(user.created_at, UTC)
    return {
        "id": user.id,
        "name": user.name,
        "rating_count": user.rating_count,
        "created_at": created_at,
        "together": user.together,
    }


@router.post(
    "",
    dependencies=[ADMIN],
    status_code=201,
    response_model=UserAnswer,
    responses=sends("Location", status=201) | TAKEN,
)
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
            known = [user for i in sorted(asked) if (user := users.find(connection, i))]
            return [_answer(user) for user in known if _is_shown(user, caller)]
    if every and caller.confined_to is not None:
        raise Forbidden(f"With the role {caller.role} you see people's names alone: leave out all=true.")
    listing = users.listing_of_all if every else users.listing
    with service.database.read() as connection:
        found = listing(connection, limit=limit, after=after)
    link_next(request, response, limit, found, lambda user: (user.id,))
    return [_answer(user) for user in found]


@router.get("/{user_id}", dependencies=[VIEWER], response_model=UserAnswer, responses=NO_USER)
def get_user(user_id: UserId, service: ServiceDependency, caller: CallerDependency) -> dict[str, Any]:
    """A person, or an id that has ratings."""
    with service.database.read() as connection:
        user = users.get(connection, user_id)
    if not _is_shown(user, caller):
        raise NotFound(f"There is no user {user_id}. GET /users lists them; POST /users adds one.")
    return _answer(user)


def _is_shown(user: User, caller: Caller) -> bool:
    """A viewer sees names; an id that has none says that it has ratings."""
    return user.name is not None or caller.confined_to in (None, user.id)


@router.post(
    "/{user_id}/merge",
    dependencies=[ADMIN],
    status_code=202,
    response_model=Started,
    responses=NO_USER,
)
def merge_users(
    user_id: UserId,
    body: MergeBody,
    background: BackgroundTasks,
    service: ServiceDependency,
    caller: CallerDependency,
    once: OnceDependency,
) -> Any:
    """Queue a task that moves the ratings of `from` to this person; of two of a movie the newer one stays.

    `POST /tasks/{task_id}/undo` takes it back.
    """
    if body.from_id == user_id:
        raise Invalid(f"User {user_id} cannot be merged into themselves. Name another one in `from`.")

    def start(connection: Connection) -> Reply:
        for each in (user_id, body.from_id):
            users.get(connection, each)
        return merges.start(connection, service, caller, MERGE, MergeParams(user_id, body.from_id))

    background.add_task(service.wake_worker)
    return once(body, start)


class Deleted(BaseModel):
    """How many rows and files went. `..._without_person`: rows that stay, without saying who it was."""

    ratings: int
    first_raters: int
    before_images: int
    later_writes: int
    idempotency_records: int
    marks: int
    waiting: int
    aliases: int
    plays: int
    hooks: int
    hook_names: int
    lists: int
    accounts: int
    sessions: int
    invitations: int
    keys: int
    tasks: int
    tasks_without_person: int
    uploads: int
    dumps: int
    rejected_values: int
    audit_rows_without_person: int
    names: int


class Remains(BaseModel):
    """`models`: versions built with their ratings; `storage`: what the engine's files may hold."""

    models: list[int]
    models_until: str | None
    storage: str | None


class Forgotten(BaseModel):
    user_id: int
    deleted: Deleted
    remains: Remains


@router.delete(
    "/{user_id}",
    dependencies=[ADMIN],
    response_model=Forgotten,
    responses=refusals(
        NotFound="Nothing is kept of this user",
        Conflict="They are the last admin, or an import that may hold their ratings is to go on",
    ),
)
def forget_user(
    user_id: UserId, request: Request, service: ServiceDependency, caller: CallerDependency
) -> dict[str, Any]:
    """Forget a person: ratings, name, account, keys, tasks and every other trace. The response is a report.

    409 for the last admin, and while an import or a dump that may hold them is to go on.
    """
    address = request.client.host if request.client else None
    asker = Asker(caller.user_id, caller.key, address, request.scope["request_id"])
    return asdict(forget(service.database, service.settings, user_id, asker, now=time.time()))


@router.patch("/{user_id}", dependencies=[ADMIN], response_model=UserAnswer, responses=NO_USER | TAKEN)
def rename_user(user_id: UserId, body: UserBody, changes: ChangesDependency) -> dict[str, Any]:
    """Change the name, or give one to an id that has ratings. 409 if another one has it."""
    with changes.write() as connection:
        return _answer(users.rename(connection, user_id, body.name, now=time.time()))


class TogetherBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    allowed: Annotated[bool, Field(strict=True)]


@router.put(
    "/{user_id}/together",
    dependencies=[OWN],
    response_model=UserAnswer,
    responses=refusals(NotFound="There is no such user with a name"),
)
def allow_together(user_id: UserId, body: TogetherBody, changes: ChangesDependency) -> dict[str, Any]:
    """Whether other viewers may have a list made for them and this person. They are not, unless allowed.

    With the door closed everybody may, since no one is known.
    """
    with changes.write() as connection:
        return _answer(users.set_together(connection, user_id, is_allowed=body.allowed))

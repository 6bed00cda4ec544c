"""API keys over HTTP: made, listed, revoked. A key is shown once, and never kept."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy.engine import Connection

from app.api.answers import refusals, sends
from app.api.changes import ChangesDependency
from app.api.dependencies import Cursor, Limit, ServiceDependency, decode_cursor_of_text, link_next
from app.api.edge.rules import ADMIN, CallerDependency
from app.api.idempotency import OnceDependency, Reply
from app.api.values import NUMBER, PRINTABLE, Days, Id, Name
from app.api.values import Path as Address
from app.errors import Invalid
from app.people import keys
from app.people.keys import Wish
from app.repository import api_keys
from app.repository.api_keys import ApiKey
from app.user import Role

router = APIRouter(prefix="/keys", tags=["people"])

NO_KEY = refusals(NotFound="There is no such key")
OWNER = Query(description="keys of this owner alone")

Prefix = Annotated[
    str,
    StringConstraints(max_length=100, pattern=PRINTABLE),
    Path(description="the start of a key, by which it is known"),
]


class KeyBody(BaseModel):
    """`user_id`: the owner, the caller by default. `address`: the only path that the key is good for."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: Role = Role.VIEWER
    user_id: Annotated[Id, NUMBER] | None = None
    expires_days: Annotated[Days, NUMBER] | None = None
    address: Address | None = None


class KeyAnswer(BaseModel):
    prefix: str
    name: str
    user_id: int
    role: Role
    address: str | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class NewKeyAnswer(KeyAnswer):
    """`key`: what a machine sends as `Authorization: Bearer`; it is in no other answer."""

    key: str


def _answer(key: ApiKey) -> dict[str, Any]:
    times = {name: _time(getattr(key, name)) for name in ("created_at", "expires_at", "used_at")}
    return {name: getattr(key, name) for name in ("prefix", "name", "user_id", "role", "address")} | times


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@router.post(
    "",
    dependencies=[ADMIN],
    status_code=201,
    response_model=NewKeyAnswer,
    responses=sends("Location", "Cache-Control", status=201)
    | refusals(
        Conflict="The owner has no account, or the key of this Idempotency-Key was shown before",
    ),
)
def add_key(body: KeyBody, caller: CallerDependency, once: OnceDependency) -> Any:
    """Make a key. Repeated with one Idempotency-Key: 409 with the prefix, since the key is not kept."""
    owner = caller.user_id if body.user_id is None else body.user_id
    if owner is None:
        raise Invalid(
            "Whose key it is to be is missing: give user_id.",
            errors=[{"detail": "the owner is missing", "pointer": "#/user_id"}],
        )
    wish = Wish(body.name, owner, body.role, body.expires_days, body.address)

    def add(connection: Connection) -> Reply:
        text, key = keys.issue(connection, wish)
        refusal = (
            f"The first request made the key {key.prefix}, which was shown once. If it is lost, revoke it "
            f"(DELETE /keys/{key.prefix}) and make another one under a new Idempotency-Key."
        )
        location = {"Location": f"/keys/{key.prefix}", "Cache-Control": "no-store"}
        return Reply(_answer(key) | {"key": text}, 201, location, shown_once=refusal)

    return once(body, add)


@router.get("", dependencies=[ADMIN], response_model=list[KeyAnswer])
def list_keys(
    request: Request,
    response: Response,
    service: ServiceDependency,
    user_id: Annotated[Id | None, OWNER] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """All keys, or those of one owner, oldest first; without the keys themselves."""
    after = decode_cursor_of_text(cursor)
    with service.database.read() as connection:
        found = api_keys.listing(connection, user_id=user_id, limit=limit, after=after)
    link_next(request, response, limit, found, lambda last: (last.created_at, last.prefix))
    return [_answer(key) for key in found]


@router.delete(
    "/{prefix}", dependencies=[ADMIN], status_code=204, responses=refusals(NotFound="There is no such key")
)
def revoke_key(prefix: Prefix, changes: ChangesDependency) -> None:
    """The next request with the key is refused, by every process."""
    with changes.write() as connection:
        api_keys.revoke(connection, prefix)

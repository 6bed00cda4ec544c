"""The audit over HTTP: who changed what."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.api.dependencies import Cursor, Limit, ServiceDependency, decode_cursor, link_next
from app.api.edge.rules import ADMIN
from app.api.values import Id
from app.repository import audit
from app.repository.audit import Entry

router = APIRouter(prefix="/audit", tags=["people"])


class EntryAnswer(BaseModel):
    """`user_id` is null with the door closed and on the command line, where `address` is null too.

    `key`: the prefix of an API key. `action`: the endpoint; `target`: the address of what was changed.
    """

    number: int
    at: datetime
    user_id: int | None
    key: str | None
    address: str | None
    action: str
    target: str
    request_id: str | None


def _answer(entry: Entry) -> dict[str, Any]:
    fields = ("number", "user_id", "key", "address", "action", "target", "request_id")
    return {name: getattr(entry, name) for name in fields} | {"at": datetime.fromtimestamp(entry.at, UTC)}


@router.get("", dependencies=[ADMIN], response_model=list[EntryAnswer])
def list_audit(
    request: Request,
    response: Response,
    service: ServiceDependency,
    user_id: Annotated[Id | None, Query(description="what this person did")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Newest first. A person's own ratings are not in it; an import is one row."""
    (before,) = decode_cursor(cursor, 1) or (None,)
    with service.database.read() as connection:
        found = audit.listing(connection, limit=limit, before=before, user_id=user_id)
    link_next(request, response, limit, found, lambda last: (last.number,))
    return [_answer(entry) for entry in found]

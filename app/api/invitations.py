"""Invitations over HTTP: a link by which a person sets a password, also in place of a forgotten one."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from app.api.answers import refusals, sends
from app.api.dependencies import UserId
from app.api.edge.rules import ADMIN
from app.api.idempotency import OnceDependency, Reply
from app.people.invitations import invite
from app.user import Role

router = APIRouter(prefix="/users", tags=["people"])


class InvitationBody(BaseModel):
    """`role`: of the account that is made for a person who has none; a viewer's by default."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None


class InvitationAnswer(BaseModel):
    """`path`: of the link, below the address of the server. It works once, and is in no other answer."""

    user_id: int
    role: Role
    path: str
    expires_at: datetime


NO_BODY = InvitationBody()


@router.post(
    "/{user_id}/invite",
    dependencies=[ADMIN],
    status_code=201,
    response_model=InvitationAnswer,
    responses=sends("Cache-Control", status=201)
    | refusals(
        NotFound="There is no such user",
        Conflict="They have another role, or the link of this Idempotency-Key was shown before",
    ),
)
def invite_user(user_id: UserId, once: OnceDependency, body: InvitationBody = NO_BODY) -> Any:
    """Make a link for one use within 24 hours, and the account if there is none. It replaces an earlier link.

    Repeated with one Idempotency-Key: 409, since the link is not kept.
    """

    def make(connection: Connection) -> Reply:
        made = invite(connection, user_id, body.role)
        answer = {
            "user_id": user_id,
            "role": made.account.role,
            "path": made.path,
            "expires_at": datetime.fromtimestamp(made.expires_at, UTC),
        }
        refusal = (
            f"The first request has invited user {user_id}; its link was shown once. "
            "A request under a new Idempotency-Key makes another one in its place."
        )
        headers = {"Cache-Control": "no-store"}
        return Reply(answer, 201, headers, target=f"/users/{user_id}", shown_once=refusal)

    return once(body, make)

"""Accounts over HTTP: who may log in, and their roles."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from app.api.answers import refusals
from app.api.changes import ChangesDependency
from app.api.dependencies import Cursor, Limit, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.rules import ADMIN
from app.repository import accounts
from app.repository.accounts import Account
from app.user import Role

router = APIRouter(tags=["people"])

LAST_ADMIN = refusals(NotFound="They have no account", Conflict="They are the last admin")


class RoleBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Role


class AccountAnswer(BaseModel):
    """`has_password`: False until the person has used an invitation."""

    user_id: int
    role: Role
    has_password: bool
    created_at: datetime


def _answer(account: Account) -> dict[str, Any]:
    return {
        "user_id": account.user_id,
        "role": account.role,
        "has_password": account.password is not None,
        "created_at": datetime.fromtimestamp(account.created_at, UTC),
    }


@router.get("/accounts", dependencies=[ADMIN], response_model=list[AccountAnswer])
def list_accounts(
    request: Request,
    response: Response,
    service: ServiceDependency,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Who may log in, by id."""
    (after,) = decode_cursor(cursor, 1) or (-1,)
    with service.database.read() as connection:
        found = accounts.listing(connection, limit=limit, after=after)
    link_next(request, response, limit, found, lambda last: (last.user_id,))
    return [_answer(account) for account in found]


@router.put(
    "/users/{user_id}/account", dependencies=[ADMIN], response_model=AccountAnswer, responses=LAST_ADMIN
)
def set_role(user_id: UserId, body: RoleBody, changes: ChangesDependency) -> dict[str, Any]:
    """Give the person another role, from their next request on. 409 for the last admin."""
    with changes.write() as connection:
        accounts.set_role(connection, user_id, body.role)
        return _answer(accounts.get(connection, user_id))


@router.delete("/users/{user_id}/account", dependencies=[ADMIN], status_code=204, responses=LAST_ADMIN)
def remove_account(user_id: UserId, changes: ChangesDependency) -> None:
    """End the person's sessions and keys; the person stays, with their ratings. 409 for the last admin."""
    with changes.write() as connection:
        accounts.remove(connection, user_id)

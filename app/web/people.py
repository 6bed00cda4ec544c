"""The page of people, accounts, API keys and the audit, for admins."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from sqlalchemy.engine import Connection

from app.api.dependencies import ServiceDependency
from app.api.edge.rules import ADMIN
from app.repository import accounts, api_keys, users
from app.repository.accounts import Account
from app.user import Role, User
from app.web.shell import page

MOST = 1_000
"""People on the page."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A person. `is_last_admin`: their account can be neither removed nor given another role."""

    user: User
    account: Account | None
    is_last_admin: bool


@router.get("/people", dependencies=[ADMIN])
def people(request: Request, service: ServiceDependency) -> Response:
    with service.database.read() as connection:
        rows = _rows(connection)
        keys = api_keys.listing(connection)
    names = {row.user.id: row.user.name for row in rows}
    owners = [row for row in rows if row.account]
    return page(
        request,
        "people",
        rows=rows,
        owners=owners,
        keys=[(key, names.get(key.user_id) or f"user {key.user_id}") for key in keys],
        roles=[role.value for role in Role],
        door_is_open=request.scope["door_is_open"],
        most=MOST,
    )


def _rows(connection: Connection) -> list[Row]:
    """Those with an account first."""
    known = {account.user_id: account for account in accounts.listing(connection)}
    admins = [account for account in known.values() if account.role is Role.ADMIN]
    found = {user.id: user for user in users.listing(connection, limit=MOST)}
    found |= {user_id: users.get(connection, user_id) for user_id in known if user_id not in found}
    order = sorted(found, key=lambda user_id: (user_id not in known, user_id))
    return [Row(found[i], known.get(i), admins == [known.get(i)]) for i in order]

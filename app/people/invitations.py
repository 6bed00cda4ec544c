"""Invitations: a link by which a person sets a password, the first one or one in place of a forgotten one."""

import time
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from app.errors import Conflict
from app.people import tokens
from app.repository import accounts, sessions
from app.repository.accounts import Account
from app.user import Role

VALID = 86_400.0
"""Seconds in which the link can be used, once."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """`path`: of the link, with the secret; `expires_at`: epoch seconds."""

    path: str
    expires_at: float
    account: Account

    def __repr__(self) -> str:  # never in a log
        return f"Invitation({self.account.user_id})"


def invite(connection: Connection, user_id: int, role: Role | None = None) -> Invitation:
    """Make a link, which replaces an earlier one; also an account, if the person has none.

    `role`: of that account, a viewer's by default. Raises `Conflict` if the person has an account with
    another role, or there are no accounts; `NotFound` without such a person, or for one without a name.
    """
    now, account = time.time(), accounts.find(connection, user_id)
    if account is None:
        if not accounts.listing(connection):
            raise Conflict(
                "There are no accounts yet. The first one, an admin's, is made on the service's own machine: "
                "`matinee user add NAME --role admin`."
            )
        account = accounts.add(connection, user_id, role or Role.VIEWER, None, now=now)
    elif role not in (None, account.role):
        raise Conflict(f"User {user_id} has an account with the role {account.role}. Change that first.")
    secret = tokens.new_secret()
    sessions.invite(connection, tokens.digest(secret), user_id, expires_at=now + VALID)
    return Invitation(f"/invite/{secret}", now + VALID, account)

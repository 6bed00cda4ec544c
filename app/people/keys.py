"""Making API keys: what a machine presents in place of a name and a password."""

import time
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from app.errors import Conflict, Invalid
from app.people import tokens
from app.repository import accounts, api_keys
from app.repository.api_keys import ApiKey
from app.user import Role

DAY = 86_400.0
LONGEST_DAYS = 3_650
LONGEST_PATH = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """A key that is asked for. `address`: the only path that it is good for. `days`: None: it has no end."""

    name: str
    user_id: int
    role: Role = Role.VIEWER
    days: float | None = None
    address: str | None = None


def issue(connection: Connection, wish: Wish) -> tuple[str, ApiKey]:
    """Make a key; returns its text, which is not kept, and the row.

    Raises `Conflict` for an owner without an account, `Invalid` for more than the owner may do.
    """
    account = accounts.find(connection, wish.user_id)
    if account is None:
        raise Conflict(f"User {wish.user_id} has no account, and so no keys. Invite them first.")
    if not account.role.includes(wish.role):
        raise Invalid(
            f"User {wish.user_id} has the role {account.role}: a key of theirs cannot have {wish.role}.",
            errors=[{"detail": f"more than the owner's role, {account.role}", "pointer": "#/role"}],
        )
    now, (text, prefix) = time.time(), tokens.new_key()
    expires_at = None if wish.days is None else now + wish.days * DAY
    key = ApiKey(prefix, wish.name, wish.user_id, wish.role, wish.address, now, expires_at, None)
    api_keys.add(connection, key, tokens.digest(text))
    accounts.move_door(connection)
    return text, key

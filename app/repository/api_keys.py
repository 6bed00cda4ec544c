"""Queries on API keys; of the key itself the SHA-256 alone is kept."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import NotFound
from app.repository import accounts as account_rows
from app.storage.schema import accounts, api_keys
from app.user import Role


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`prefix`: the part that is shown. `address`: the only path that the key is good for; None: every one.

    `expires_at`, `used_at`: epoch seconds, None: never.
    """

    prefix: str
    name: str
    user_id: int
    role: Role
    address: str | None
    created_at: float
    expires_at: float | None
    used_at: float | None


_SHOWN = [column for column in api_keys.c if column.name != "hash"]


def add(connection: Connection, key: ApiKey, digest: str) -> None:
    values = {column.name: getattr(key, column.name) for column in _SHOWN}
    connection.execute(api_keys.insert().values(hash=digest, **values))


def find(connection: Connection, digest: str) -> ApiKey | None:
    """The key with that hash; its role is at most the one that its owner has now."""
    query = sa.select(*_SHOWN, accounts.c.role.label("owner_role"))
    query = query.join(accounts, accounts.c.user_id == api_keys.c.user_id).where(api_keys.c.hash == digest)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    owner, role = Role(row["owner_role"]), Role(row["role"])
    values = {column.name: row[column.name] for column in _SHOWN}
    return ApiKey(**values | {"role": role if owner.includes(role) else owner})


def listing(
    connection: Connection,
    *,
    user_id: int | None = None,
    limit: int | None = None,
    after: tuple[float, str] | None = None,
) -> list[ApiKey]:
    """All keys, or those of one owner, oldest first, from the one after the place (created_at, prefix)."""
    query = sa.select(*_SHOWN).order_by(api_keys.c.created_at, api_keys.c.prefix).limit(limit)
    if after is not None:
        at, prefix = after
        same_time = sa.and_(api_keys.c.created_at == at, api_keys.c.prefix > prefix)
        query = query.where(sa.or_(api_keys.c.created_at > at, same_time))
    if user_id is not None:
        query = query.where(api_keys.c.user_id == user_id)
    return [ApiKey(**dict(row) | {"role": Role(row["role"])}) for row in connection.execute(query).mappings()]


def revoke(connection: Connection, prefix: str) -> None:
    """Delete a key. Raises `NotFound`."""
    if not connection.execute(api_keys.delete().where(api_keys.c.prefix == prefix)).rowcount:
        raise NotFound(f"There is no key {prefix[:100]!r}.")
    account_rows.move_door(connection)


def note_use(connection: Connection, prefix: str, *, now: float) -> None:
    connection.execute(api_keys.update().where(api_keys.c.prefix == prefix).values(used_at=now))

"""Queries on addresses of lists; of the secret in an address its SHA-256 alone is kept."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Conflict, NotFound
from app.storage.players import list_addresses

MOST = 20
"""Of one person."""


@dataclass(frozen=True, slots=True)
class ListAddress:
    number: int
    user_id: int
    created_at: float


_SHOWN = (list_addresses.c.number, list_addresses.c.user_id, list_addresses.c.created_at)


def add(connection: Connection, user_id: int, digest: str, *, now: float) -> ListAddress:
    """Raises `Conflict` for one too many."""
    query = sa.select(sa.func.count()).select_from(list_addresses)
    if connection.execute(query.where(list_addresses.c.user_id == user_id)).scalar_one() >= MOST:
        raise Conflict(f"User {user_id} has {MOST} addresses of lists. DELETE /lists/NUMBER removes one.")
    values = {"user_id": user_id, "hash": digest, "created_at": now}
    added = connection.execute(list_addresses.insert().values(values).returning(list_addresses.c.number))
    return ListAddress(added.scalar_one(), user_id, now)


def whose(connection: Connection, digest: str) -> int | None:
    """The person whose list has that secret."""
    query = sa.select(list_addresses.c.user_id).where(list_addresses.c.hash == digest)
    return connection.execute(query).scalar()


def listing(connection: Connection, *, user_id: int | None, limit: int, after: int = 0) -> list[ListAddress]:
    """All, or those of one person, by number."""
    query = sa.select(*_SHOWN).where(list_addresses.c.number > after)
    if user_id is not None:
        query = query.where(list_addresses.c.user_id == user_id)
    return [ListAddress(*row) for row in connection.execute(query.order_by("number").limit(limit))]


def remove(connection: Connection, number: int, user_id: int | None) -> None:
    """`user_id`: whose it has to be, None: of any person. Raises `NotFound`."""
    same = [list_addresses.c.number == number]
    if user_id is not None:
        same.append(list_addresses.c.user_id == user_id)
    if not connection.execute(list_addresses.delete().where(*same)).rowcount:
        raise NotFound(f"There is no address {number} of a list. GET /lists lists them.")


def move(connection: Connection, before: int, after: int) -> int:
    theirs = list_addresses.update().where(list_addresses.c.user_id == before)
    return connection.execute(theirs.values(user_id=after)).rowcount


def forget(connection: Connection, user_id: int) -> int:
    return connection.execute(list_addresses.delete().where(list_addresses.c.user_id == user_id)).rowcount

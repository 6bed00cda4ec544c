"""Queries on aliases: which movie a person chose for a work that was not found by itself."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.database import database_of
from app.storage.personal import aliases


def remember(connection: Connection, user_id: int, work: str, movie_id: int, *, now: float) -> None:
    """Keep a choice, over an earlier one."""
    key = {"user_id": user_id, "work": work}
    values = {"movie_id": movie_id, "created_at": now}
    connection.execute(database_of(connection).upsert(aliases, *values), key | values)


def of_user(connection: Connection, user_id: int) -> dict[str, int]:
    """Movie ids by work."""
    query = sa.select(aliases.c.work, aliases.c.movie_id).where(aliases.c.user_id == user_id)
    return {row.work: row.movie_id for row in connection.execute(query)}


def find(connection: Connection, user_id: int, work: str) -> int | None:
    """The movie that was chosen for one work."""
    query = sa.select(aliases.c.movie_id).where(aliases.c.user_id == user_id, aliases.c.work == work)
    return connection.execute(query).scalar()


def move(connection: Connection, before: int, after: int) -> int:
    """Give a person's choices to another, whose own stay; returns how many there were."""
    theirs = aliases.c.user_id == before
    other = aliases.alias()
    taken = sa.exists().where(other.c.user_id == after, other.c.work == aliases.c.work)
    gone = connection.execute(aliases.delete().where(theirs, taken)).rowcount
    return gone + connection.execute(aliases.update().where(theirs).values(user_id=after)).rowcount

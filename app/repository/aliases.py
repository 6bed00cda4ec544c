"""Queries on aliases: which movie a person chose for a work that was not found by itself."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.repository import personal_images
from app.repository.personal_images import CHOSEN, Image
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


def move(connection: Connection, before: int, after: int, import_seq: int, limit: int) -> int:
    """Give up to `limit` of a person's choices to another, whose own stay; returns how many there were.

    What there was is kept for the undo of that number.
    """
    query = sa.select(aliases).where(aliases.c.user_id == before).order_by(aliases.c.work).limit(limit)
    rows = connection.execute(query).mappings().all()
    insert = database_of(connection).insert(aliases).on_conflict_do_nothing().returning(aliases.c.work)
    images = list[Image]()
    for row in rows:
        images.append(Image(before, CHOSEN, row["work"], dict(row) | {"was": True}))
        if connection.execute(insert, dict(row) | {"user_id": after}).first():
            images.append(Image(after, CHOSEN, row["work"], dict(row) | {"was": False}))
    personal_images.keep(connection, import_seq, images)
    works = [row["work"] for row in rows]
    connection.execute(aliases.delete().where(aliases.c.user_id == before, aliases.c.work.in_(works)))
    return len(rows)

"""Queries on the audit: who changed what, written in the transaction of the change."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.schema import audit


@dataclass(frozen=True, slots=True)
class Entry:
    """`key`: prefix of an API key. `action` and `target`: what was done, to what; `at`: epoch seconds."""

    number: int
    at: float
    user_id: int | None
    key: str | None
    address: str | None
    action: str
    target: str
    request_id: str | None


def add(
    connection: Connection,
    action: str,
    target: str,
    *,
    now: float,
    user_id: int | None = None,
    key: str | None = None,
    address: str | None = None,
    request_id: str | None = None,
) -> None:
    values = {"at": now, "user_id": user_id, "key": key, "address": address}
    values |= {"action": action, "target": target, "request_id": request_id}
    connection.execute(audit.insert().values(values))


def listing(
    connection: Connection, *, limit: int, before: int | None = None, user_id: int | None = None
) -> list[Entry]:
    """Newest first, from the one before the number `before`."""
    query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.number < before)
    if user_id is not None:
        query = query.where(audit.c.user_id == user_id)
    return [Entry(**row) for row in connection.execute(query).mappings()]


def newest(connection: Connection) -> float | None:
    """The time of the newest row."""
    return connection.execute(sa.select(sa.func.max(audit.c.at))).scalar()


def forget(connection: Connection, *, before: float, limit: int) -> int:
    """Delete up to `limit` rows from before that time; returns how many."""
    old = sa.select(audit.c.number).where(audit.c.at < before).order_by(audit.c.number).limit(limit)
    return connection.execute(audit.delete().where(audit.c.number.in_(old))).rowcount

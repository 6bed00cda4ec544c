"""Queries on idempotency keys, each with the answer to the first request under it.

A request claims its key by inserting the row, in the transaction of the change. A second request at the same
time waits for that transaction at the primary key, and then finds the answer. A change that is rolled back
takes the row with it.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Invalid
from app.storage.database import database_of
from app.storage.schema import idempotency_keys


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the caller sent it. `scope`: caller, method and path; `fingerprint`: of the payload."""

    scope: str
    text: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer over HTTP; `body` is JSON. `task_id`: of the task that the request started, if any."""

    status: int
    headers: dict[str, str]
    body: str
    task_id: str | None = None


def claim(connection: Connection, key: Key, *, now: float) -> bool:
    """Take the key for this transaction; False if an earlier request has it."""
    values = {"scope": key.scope, "key": key.text, "fingerprint": key.fingerprint, "created_at": now}
    statement = database_of(connection).insert(idempotency_keys).values(**values)
    claimed = statement.on_conflict_do_nothing().returning(idempotency_keys.c.key)
    return connection.execute(claimed).first() is not None


def keep(connection: Connection, key: Key, answer: Answer) -> None:
    """Store the answer under a key that this transaction has claimed."""
    values = {"status": answer.status, "headers": answer.headers, "body": answer.body}
    statement = idempotency_keys.update().where(*_is(key))
    connection.execute(statement.values(task_id=answer.task_id, **values))


def find(connection: Connection, key: Key) -> Answer | None:
    """The answer to the first request under this key. Raises `Invalid` if that was another request."""
    row = connection.execute(sa.select(idempotency_keys).where(*_is(key))).first()
    if row is None:
        return None
    if row.fingerprint != key.fingerprint:
        raise Invalid(
            f"The idempotency key {key.text!r} was used for another request to {key.scope}. "
            "Send the same request again, or take a new key."
        )
    return Answer(row.status, row.headers, row.body, row.task_id)


def newest(connection: Connection) -> float:
    """When the newest key was claimed; 0 without any."""
    times = sa.select(sa.func.coalesce(sa.func.max(idempotency_keys.c.created_at), 0.0))
    return float(connection.execute(times).scalar_one())


def forget(connection: Connection, *, before: float, limit: int) -> int:
    """Delete up to `limit` keys from before that time; returns how many. Those of a task go with the task."""
    keys = idempotency_keys.c
    old = sa.select(keys.scope, keys.key).where(keys.created_at < before, keys.task_id.is_(None)).limit(limit)
    delete = idempotency_keys.delete().where(sa.tuple_(keys.scope, keys.key).in_(old))
    return connection.execute(delete).rowcount


def _is(key: Key) -> tuple[sa.ColumnElement[bool], ...]:
    return idempotency_keys.c.scope == key.scope, idempotency_keys.c.key == key.text

"""Queries on accounts and the door: who may log in, and whether callers from other machines are let in.

Whatever takes or gives a right moves the version of the door, in the same transaction: every process that
remembers who a caller is asks again when the version has moved.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import Conflict, NotFound
from app.repository import users
from app.storage.database import serialize
from app.storage.prepared import Prepared
from app.storage.schema import accounts, api_keys, door, invitations, refresh_tokens, sessions
from app.storage.schema import users as names
from app.user import Role


@dataclass(frozen=True, slots=True)
class Account:
    """`password`: its Argon2id hash; None: none was set yet."""

    user_id: int
    role: Role
    password: str | None
    created_at: float


@dataclass(frozen=True, slots=True)
class DoorState:
    version: int
    is_open: bool


_STATE = Prepared(sa.select(door.c.version, door.c.is_open))


def door_state(connection: Connection) -> DoorState:
    if (row := _STATE.first(connection)) is None:
        raise LookupError("The door has no state: its row is missing.")
    return DoorState(row[0], bool(row[1]))


def move_door(connection: Connection, *, is_open: bool | None = None) -> None:
    """Say that rights have changed; with `is_open`, also open the door or close it."""
    values: dict[str, Any] = {"version": door.c.version + 1}
    connection.execute(door.update().values(values if is_open is None else values | {"is_open": is_open}))


def add(connection: Connection, user_id: int, role: Role, password: str | None, *, now: float) -> Account:
    """Let a person log in. Raises `Conflict` if they have an account, `NotFound` without such a person."""
    serialize(connection, "accounts")
    if users.get(connection, user_id).name is None:
        raise NotFound(f"User {user_id} has no name. Give them one, then an account.")
    if find(connection, user_id):
        raise Conflict(f"User {user_id} has an account already.")
    values = {"user_id": user_id, "role": role, "password": password, "created_at": now}
    connection.execute(accounts.insert().values(values))
    move_door(connection)
    return Account(user_id, role, password, now)


def find(connection: Connection, user_id: int) -> Account | None:
    row = connection.execute(sa.select(accounts).where(accounts.c.user_id == user_id)).first()
    return Account(row.user_id, Role(row.role), row.password, row.created_at) if row else None


def of_name(connection: Connection, key: str) -> Account | None:
    """The account of the person whose name has that key: one query, whether there is one or not."""
    query = sa.select(accounts).join(names, names.c.id == accounts.c.user_id).where(names.c.name_key == key)
    row = connection.execute(query).first()
    return Account(row.user_id, Role(row.role), row.password, row.created_at) if row else None


def get(connection: Connection, user_id: int) -> Account:
    """Raises `NotFound`."""
    account = find(connection, user_id)
    if account is None:
        raise NotFound(f"User {user_id} has no account.")
    return account


def listing(connection: Connection, *, limit: int | None = None, after: int = -1) -> list[Account]:
    """Accounts by the ids of their people, from the one after `after`."""
    query = sa.select(accounts).where(accounts.c.user_id > after).order_by(accounts.c.user_id).limit(limit)
    rows = connection.execute(query)
    return [Account(row.user_id, Role(row.role), row.password, row.created_at) for row in rows]


def set_role(connection: Connection, user_id: int, role: Role) -> None:
    """Raises `NotFound`, and `Conflict` for the last admin."""
    serialize(connection, "accounts")
    get(connection, user_id)
    if role is not Role.ADMIN:
        _refuse_last_admin(connection, user_id)
    connection.execute(accounts.update().where(accounts.c.user_id == user_id).values(role=role))
    move_door(connection)


def set_password(connection: Connection, user_id: int, password: str) -> None:
    """Set the hash of a password; the person's sessions and invitations end. Raises `NotFound`."""
    get(connection, user_id)
    connection.execute(accounts.update().where(accounts.c.user_id == user_id).values(password=password))
    _end_sessions(connection, user_id)
    connection.execute(invitations.delete().where(invitations.c.user_id == user_id))
    move_door(connection)


def remove(connection: Connection, user_id: int) -> None:
    """Delete an account with its sessions, invitations and keys.

    Raises `NotFound`, and `Conflict` for the last admin.
    """
    serialize(connection, "accounts")
    get(connection, user_id)
    _refuse_last_admin(connection, user_id)
    _end_sessions(connection, user_id)
    for table in (invitations, api_keys, accounts):
        connection.execute(table.delete().where(table.c.user_id == user_id))
    move_door(connection)


def _end_sessions(connection: Connection, user_id: int) -> None:
    theirs = sa.select(sessions.c.id).where(sessions.c.user_id == user_id)
    connection.execute(refresh_tokens.delete().where(refresh_tokens.c.session_id.in_(theirs)))
    connection.execute(sessions.delete().where(sessions.c.user_id == user_id))


def _refuse_last_admin(connection: Connection, user_id: int) -> None:
    others = sa.select(accounts.c.user_id).where(accounts.c.role == Role.ADMIN, accounts.c.user_id != user_id)
    if get(connection, user_id).role is Role.ADMIN and not connection.execute(others.limit(1)).first():
        raise Conflict(f"User {user_id} is the last admin. Make another one first.")

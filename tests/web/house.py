"""Accounts in the database of a service, as the command line makes them; and the address of this machine."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

import psutil
from sqlalchemy.engine import Connection

from app.config import Settings
from app.people import passwords, secrets, tokens
from app.repository import accounts, api_keys, sessions, users
from app.repository.api_keys import ApiKey
from app.storage import open_database
from app.user import Role

T = TypeVar("T")
PASSWORD = "a long enough sentence"


def own_address() -> str | None:
    """An IPv4 address of this machine that is not loopback; None if it has none."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not one.address.startswith(("127.", "169.254.")):
                return one.address
    return None


class House:
    """Opens and closes the door, and makes people."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def change(self, job: Callable[[Connection], T]) -> T:
        """What `job` returns, in a transaction of its own."""
        database = open_database(self._settings)
        try:
            with database.write() as connection:
                return job(connection)
        finally:
            database.close()

    def open(self) -> None:
        secrets.ensure(self._settings)
        self.change(lambda connection: accounts.move_door(connection, is_open=True))

    def close(self) -> None:
        self.change(lambda connection: accounts.move_door(connection, is_open=False))

    def person(self, name: str, role: Role = Role.VIEWER, password: str | None = PASSWORD) -> int:
        """The id of a new person with an account."""
        stored = passwords.hashed(password) if password else None

        def add(connection: Connection) -> int:
            user = users.create(connection, name, now=time.time())
            accounts.add(connection, user.id, role, stored, now=time.time())
            return user.id

        return self.change(add)

    def key(self, user_id: int, role: Role) -> dict[str, str]:
        """The header with a new API key."""
        text, prefix = tokens.new_key()
        key = ApiKey(prefix, "tests", user_id, role, None, time.time(), None, None)
        self.change(lambda connection: api_keys.add(connection, key, tokens.digest(text)))
        return {"Authorization": f"Bearer {text}"}

    def invite(self, user_id: int, *, seconds: float = 60) -> str:
        """The path of a link that sets a password."""
        text = tokens.new_secret()
        until = time.time() + seconds
        digest = tokens.digest(text)
        self.change(lambda connection: sessions.invite(connection, digest, user_id, expires_at=until))
        return f"/invite/{text}"

    def end_sessions(self, user_id: int) -> None:
        """End every session of a person, as a change of their password does."""

        def end(connection: Connection) -> None:
            password = accounts.get(connection, user_id).password
            accounts.set_password(connection, user_id, password or "")

        self.change(end)

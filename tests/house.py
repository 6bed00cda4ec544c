"""A service with its door open, and people of every role, for tests in one process."""

import time

from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.people import secrets, tokens
from app.people.tokens import Claims
from app.repository import accounts, api_keys, sessions, users
from app.repository.api_keys import ApiKey
from app.service import Service
from app.user import Role

OUTSIDE = ("192.0.2.7", 4711)


class House:
    """A service with its door open, and people of every role."""

    def __init__(self, settings: Settings) -> None:
        self.app = create_app(settings)
        self.service: Service = self.app.state.service
        secrets.ensure(settings)
        with self.service.database.write() as connection:
            accounts.move_door(connection, is_open=True)

    def person(self, name: str, role: Role) -> int:
        with self.service.database.write() as connection:
            user = users.create(connection, name, now=time.time())
            accounts.add(connection, user.id, role, None, now=time.time())
        return user.id

    def token(self, user_id: int, session: str, *, seconds: float = 3600) -> dict[str, str]:
        """The header of a new login."""
        until = time.time() + seconds
        with self.service.database.write() as connection:
            sessions.begin(connection, session, user_id, now=time.time(), expires_at=until)
        secret = secrets.load(self.service.settings)[0]
        return bearer(tokens.issue(secret, Claims(session, user_id, until), now=time.time()))

    def key(self, user_id: int, role: Role, *, address: str | None = None) -> dict[str, str]:
        text, prefix = tokens.new_key()
        key = ApiKey(prefix, "script", user_id, role, address, time.time(), None, None)
        with self.service.database.write() as connection:
            api_keys.add(connection, key, tokens.digest(text))
        return bearer(text)

    def client(self) -> TestClient:
        return TestClient(self.app, base_url="http://192.0.2.1", client=OUTSIDE)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}

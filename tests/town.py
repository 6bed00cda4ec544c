"""Callers of every kind, good and bad, and how a route is called for a person."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import jwt
from fastapi.testclient import TestClient

from app.people import secrets, tokens
from app.repository import accounts, api_keys, sessions, tasks, users
from app.repository.api_keys import ApiKey
from app.tasks.worker import run_next
from app.user import Role
from tests.house import House, bearer

LETTERBOXD = """Date,Name,Year,Letterboxd URI,Rating
2024-01-01,Heat,1995,https://boxd.it/1,4
,No such film,,,9
"""
BODIES = {"LETTERBOXD": (LETTERBOXD, {"Content-Type": "text/csv", "X-Filename": "ratings.csv"})}


class Row(NamedTuple):
    rule: str
    status: str
    method: str
    path: str
    rest: str

    @property
    def route(self) -> str:
        return f"{self.method} {self.path.replace(':cancelled', '')}"


class Town:
    """Callers of every kind, and what is needed to call a route for the person `own` or `other`."""

    def __init__(self, house: House) -> None:
        self.house, self.database = house, house.service.database
        self.own, self.other = house.person("Ann", Role.VIEWER), house.person("Ben", Role.VIEWER)
        self.willing = house.person("Eve", Role.VIEWER)
        with self.database.write() as connection:
            users.set_together(connection, self.willing, is_allowed=True)
        self.editor, self.admin = house.person("Cara", Role.EDITOR), house.person("Dan", Role.ADMIN)
        self.client = TestClient(
            house.app,
            base_url="http://192.0.2.1",
            client=("192.0.2.7", 1),
            raise_server_exceptions=False,
            follow_redirects=False,
        )
        self._names, self._imports = 0, dict[int, str]()
        rating = {"movie_id": 1, "score": 5}
        for user in (self.own, self.other):
            body = rating | {"user_id": user}
            self.client.post("/ratings", json=body, headers=house.token(user, f"r{user}")).raise_for_status()

    def callers(self) -> dict[str, dict[str, str]]:
        """The headers of each."""
        token, key = self.house.token, self.house.key
        revoked, expired = key(self.admin, Role.ADMIN), self._expired_key()
        removed = self.house.person("Gone", Role.ADMIN)
        as_removed, ended = token(removed, "removed"), token(self.admin, "ended")
        with self.database.write() as connection:
            api_keys.revoke(connection, revoked["Authorization"][7:][:16])
            accounts.remove(connection, removed)
            sessions.end(connection, "ended")
            refresh = tokens.new_secret()
            sessions.begin(connection, "s", self.admin, now=time.time(), expires_at=time.time() + 3600)
            sessions.add_refresh_token(connection, tokens.digest(refresh), "s")
        good = token(self.admin, "d")["Authorization"]
        return {
            "viewer on own": token(self.own, "a"),
            "viewer on another's": token(self.own, "a2"),
            "editor": token(self.editor, "c"),
            "admin": token(self.admin, "d2"),
            "no token": {},
            "expired": token(self.admin, "e", seconds=-1),
            "tampered": {"Authorization": _other_person(good, self.other)},
            "no algorithm": self._forged(algorithm="none"),
            "another secret": self._forged(secret=b"another secret of 32 bytes or more"),
            "wrong audience": self._forged(aud="another"),
            "wrong issuer": self._forged(iss="another"),
            "wrong key id": self._forged(kid="0123456789abcdef"),
            "no key id": self._forged(kid=None),
            "revoked key": revoked,
            "expired key": expired,
            "refresh token": bearer(refresh),
            "ended session": ended,
            "account removed": as_removed,
        }

    def _expired_key(self) -> dict[str, str]:
        text, prefix = tokens.new_key()
        now = time.time()
        key = ApiKey(prefix, "old", self.admin, Role.ADMIN, None, now - 9, now - 1, None)
        with self.database.write() as connection:
            api_keys.add(connection, key, tokens.digest(text))
        return bearer(text)

    def _forged(
        self, *, secret: bytes | None = None, algorithm: str = "HS256", kid: str | None = "", **claims: str
    ) -> dict[str, str]:
        """A token for the admin's session that is right but for what is given."""
        real = secrets.load(self.house.service.settings)[0]
        payload = {"iss": "matinee", "aud": "matinee", "sub": str(self.admin), "sid": "d"}
        times = {"iat": int(time.time()), "exp": int(time.time()) + 3600}
        head = {} if kid is None else {"kid": kid or real.id}
        value = "" if algorithm == "none" else secret or real.value
        return bearer(jwt.encode(payload | times | claims, value, algorithm, head))

    def request(self, row: Row, target: int, headers: dict[str, str]) -> httpx.Response:
        path = row.path.replace("{task_id:cancelled}", "{cancelled}")
        known: dict[str, Callable[[], Any]] = {
            "user_id": lambda: target,
            "movie_id": lambda: 1,
            "version": lambda: 1,
            "number": lambda: 1,
            "path": lambda: "matinee.css",
            "task_id": lambda: self.imported(target),
            "cancelled": lambda: self._cancelled(target),
            "prefix": lambda: "matinee_00000000",
            "token": lambda: "unknown",
            "secret": lambda: "unknown",
        }
        for name, value in known.items():
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", str(value()))
        self._names += 1
        rest = row.rest.replace("<user>", str(target)).replace("<new>", f"Name {self._names}")
        rest = rest.replace("<willing>", str(self.willing))
        if rest.startswith("?"):
            query, _, rest = rest.partition(" ")
            path += query
        if rest in BODIES:
            content, kind = BODIES[rest]
            return self._send(row.method, path, content=content, headers=headers | kind)
        return self._send(row.method, path, json=json.loads(rest) if rest else None, headers=headers)

    def _send(self, *request: Any, **options: Any) -> httpx.Response:
        answer: httpx.Response = self.client.request(*request, **options)
        return answer

    def imported(self, user: int) -> str:
        """A complete import of theirs, with a reject."""
        if user not in self._imports:
            content, kind = BODIES["LETTERBOXD"]
            headers = self.house.token(user, f"i{user}") | kind
            started = self.client.post(f"/imports?user_id={user}", content=content, headers=headers)
            self._imports[user] = started.raise_for_status().json()["task_id"]
            self.run_tasks()
        return self._imports[user]

    def _cancelled(self, user: int) -> str:
        with self.database.write() as connection:
            task = tasks.create(connection, "import_ratings", {"user_id": user}, now=time.time(), owner=user)
            tasks.request_cancel(connection, task.id, now=time.time())
        return task.id

    def run_tasks(self) -> None:
        while run_next(self.database, self.house.service.settings):
            pass

    def build_model(self) -> None:
        headers = self.house.token(self.admin, "m")
        self.client.post("/imports", headers=headers).raise_for_status()
        self.client.post("/recommender/rebuild", headers=headers).raise_for_status()
        self.run_tasks()


def _other_person(header: str, user_id: int) -> str:
    """The token with another person in it, under the old signature."""
    head, payload, signature = header.removeprefix("Bearer ").split(".")
    claims = jwt.utils.base64url_decode(payload)
    changed = json.dumps(json.loads(claims) | {"sub": str(user_id)}).encode()
    return f"Bearer {head}.{jwt.utils.base64url_encode(changed).decode()}.{signature}"

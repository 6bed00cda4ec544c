"""API keys, invitations and accounts over HTTP."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.errors import Unavailable
from app.people import tokens
from app.people.key_uses import EVERY, KeyUses
from app.repository import accounts, api_keys, sessions
from app.storage import Database
from app.storage.schema import idempotency_keys
from app.user import Role
from tests.house import House, bearer

ONCE = {"Idempotency-Key": "k"}


@pytest.fixture
def admin(house: House) -> dict[str, str]:
    return house.token(house.person("Ann", Role.ADMIN), "admin")


def kept(house: House) -> str:
    """All that is stored of answers under idempotency keys."""
    with house.service.database.read() as connection:
        return str(connection.execute(sa.select(idempotency_keys)).all())


class TestKeys:
    def test_a_key_is_shown_once_and_opens_the_door(self, house: House, admin: dict[str, str]) -> None:
        client = house.client()
        made = client.post("/keys", json={"name": "backup", "role": "editor"}, headers=admin)
        assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
        key = made.json()
        assert made.headers["Location"] == f"/keys/{key['prefix']}"
        assert key["key"].startswith(key["prefix"])
        assert key["expires_at"] is key["used_at"] is key["address"] is None
        as_script = bearer(key["key"])
        assert client.post("/movies", json={"title": "A"}, headers=as_script).status_code == 201
        assert client.get("/keys", headers=as_script).status_code == 403
        listed = client.get("/keys", headers=admin)
        assert [one["name"] for one in listed.json()] == ["backup"]
        assert key["key"] not in listed.text
        assert client.delete(f"/keys/{key['prefix']}", headers=admin).status_code == 204
        assert client.get("/movies", headers=as_script).status_code == 401
        assert client.delete(f"/keys/{key['prefix']}", headers=admin).status_code == 404

    def test_a_repetition_is_refused_with_the_prefix(self, house: House, admin: dict[str, str]) -> None:
        client = house.client()
        first = client.post("/keys", json={"name": "backup"}, headers=admin | ONCE)
        again = client.post("/keys", json={"name": "backup"}, headers=admin | ONCE)
        assert (first.status_code, again.status_code) == (201, 409)
        assert first.json()["prefix"] in again.json()["detail"]
        assert again.headers["content-type"] == "application/problem+json"
        assert first.json()["key"] not in again.text + kept(house)
        assert client.post("/keys", json={"name": "other"}, headers=admin | ONCE).status_code == 422
        assert len(client.get("/keys", headers=admin).json()) == 1

    def test_a_key_of_another_with_an_end_and_an_address(self, house: House, admin: dict[str, str]) -> None:
        client, ben = house.client(), house.person("Ben", Role.VIEWER)
        body = {"name": "feed", "user_id": ben, "expires_days": 0.5, "address": "/movies/top"}
        key = client.post("/keys", json=body, headers=admin).json()
        assert key["user_id"] == ben
        assert client.get("/movies/top", headers=bearer(key["key"])).status_code == 200
        assert client.get("/movies", headers=bearer(key["key"])).status_code == 403
        assert client.get(f"/keys?user_id={ben}", headers=admin).json()[0]["address"] == "/movies/top"
        assert client.get("/keys?user_id=5", headers=admin).json() == []

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 422),
            ({"name": " "}, 422),
            ({"name": "x" * 1_000}, 422),
            ({"name": "a", "role": "king"}, 422),
            ({"name": "a", "expires_days": 0}, 422),
            ({"name": "a", "expires_days": "7"}, 422),
            ({"name": "a", "expires_days": 1e300}, 422),
            ({"name": "a", "address": "feed"}, 422),
            ({"name": "a", "address": "/fe ed"}, 422),
            ({"name": "a", "key": "mine"}, 422),
            ({"name": "a", "user_id": 5}, 409),
        ],
    )
    def test_what_does_not_fit(
        self, house: House, admin: dict[str, str], body: dict[str, Any], status: int
    ) -> None:
        assert house.client().post("/keys", json=body, headers=admin).status_code == status

    def test_a_key_has_no_more_than_its_owner(self, house: House, admin: dict[str, str]) -> None:
        ben = house.person("Ben", Role.VIEWER)
        body = {"name": "a", "user_id": ben, "role": "editor"}
        refused = house.client().post("/keys", json=body, headers=admin)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/role")

    def test_with_the_door_closed_the_owner_is_named(self, client: TestClient) -> None:
        refused = client.post("/keys", json={"name": "a"})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/user_id")


class TestLastUse:
    def test_it_is_shown(self, house: House, admin: dict[str, str]) -> None:
        client = house.client()
        key = client.post("/keys", json={"name": "backup"}, headers=admin).json()["key"]
        before = time.time()
        assert client.get("/movies", headers=bearer(key)).status_code == 200
        house.service.key_uses.close()  # waits for what has begun
        (used,) = used_at(house.service.database)
        assert used is not None
        assert before <= used <= time.time()

    def test_it_is_written_once_a_minute(self, house: House) -> None:
        ann = house.person("Ann", Role.ADMIN)
        text = house.key(ann, Role.VIEWER)["Authorization"].removeprefix("Bearer ")
        prefix, now = text.rpartition("_")[0], [1_000.0]
        prefix = next(key.prefix for key in keys_of(house.service.database))
        uses = KeyUses(lambda: house.service.database, clock=lambda: now[0])
        seen = []
        for step in (0.0, EVERY - 1, 1.0, -3_600.0):  # the last: a clock that was put back
            now[0] += step
            uses.note(prefix)
            uses.close()
            seen.append(used_at(house.service.database)[0])
        assert seen == [1_000.0, 1_000.0, 1_060.0, 1_060.0 - 3_600.0]

    def test_a_request_neither_waits_for_it_nor_fails_by_it(self) -> None:
        release, asked = threading.Event(), threading.Event()

        def locked() -> Database:
            asked.set()
            release.wait(30)
            raise Unavailable("The database is locked.")

        uses = KeyUses(locked)
        uses.note("matinee_1")
        assert asked.wait(30)
        uses.note("matinee_2")  # while the first is being written
        release.set()
        uses.close()


def keys_of(database: Database) -> list[api_keys.ApiKey]:
    with database.read() as connection:
        return api_keys.listing(connection)


def used_at(database: Database) -> list[float | None]:
    return [key.used_at for key in keys_of(database)]


class TestInvitations:
    def test_it_makes_an_account_and_a_link(self, house: House, admin: dict[str, str]) -> None:
        client = house.client()
        zoe = client.post("/users", json={"name": "Zoe"}, headers=admin).json()["id"]
        made = client.post(f"/users/{zoe}/invite", headers=admin)
        assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
        assert made.json()["role"] == "viewer"
        first = invited(house, made.json()["path"])
        assert first == zoe
        newer = client.post(f"/users/{zoe}/invite", headers=admin).json()["path"]
        assert invited(house, made.json()["path"]) is None
        assert invited(house, newer) == zoe
        other = client.post(f"/users/{zoe}/invite", json={"role": "admin"}, headers=admin)
        assert other.status_code == 409

    def test_a_repetition_is_refused_since_the_link_is_not_kept(
        self, house: House, admin: dict[str, str]
    ) -> None:
        client, ben = house.client(), house.person("Ben", Role.VIEWER)
        first = client.post(f"/users/{ben}/invite", headers=admin | ONCE).json()["path"]
        again = client.post(f"/users/{ben}/invite", headers=admin | ONCE)
        assert again.status_code == 409
        assert first.removeprefix("/invite/") not in again.text + kept(house)
        assert invited(house, first) == ben

    def test_with_a_role(self, house: House, admin: dict[str, str]) -> None:
        client = house.client()
        zoe = client.post("/users", json={"name": "Zoe"}, headers=admin).json()["id"]
        made = client.post(f"/users/{zoe}/invite", json={"role": "editor"}, headers=admin)
        assert made.json()["role"] == "editor"

    def test_who_cannot_be_invited(self, house: House, admin: dict[str, str], client: TestClient) -> None:
        assert house.client().post("/users/5/invite", headers=admin).status_code == 404

    def test_the_first_account_is_made_on_the_machine(self, client: TestClient) -> None:
        zoe = client.post("/users", json={"name": "Zoe"}).json()["id"]
        refused = client.post(f"/users/{zoe}/invite")
        assert (refused.status_code, "matinee user add" in refused.json()["detail"]) == (409, True)


def invited(house: House, path: str) -> int | None:
    secret = path.removeprefix("/invite/")
    with house.service.database.read() as connection:
        return sessions.invited(connection, tokens.digest(secret), now=time.time())


class TestAccounts:
    def test_a_role_changes_in_the_next_request(self, house: House, admin: dict[str, str]) -> None:
        client, ben = house.client(), house.person("Ben", Role.VIEWER)
        as_ben = house.token(ben, "b")
        assert client.post("/movies", json={"title": "A"}, headers=as_ben).status_code == 403
        changed = client.put(f"/users/{ben}/account", json={"role": "editor"}, headers=admin)
        assert (changed.status_code, changed.json()["role"], changed.json()["has_password"]) == (
            200,
            "editor",
            False,
        )
        assert client.post("/movies", json={"title": "A"}, headers=as_ben).status_code == 201
        listed = client.get("/accounts", headers=admin).json()
        assert [one["role"] for one in listed] == ["admin", "editor"]
        assert client.delete(f"/users/{ben}/account", headers=admin).status_code == 204
        assert client.get("/movies", headers=as_ben).status_code == 401
        assert client.delete(f"/users/{ben}/account", headers=admin).status_code == 404

    def test_the_last_admin_stays(self, house: House, admin: dict[str, str]) -> None:
        client = house.client()
        (ann,) = (one["user_id"] for one in client.get("/accounts", headers=admin).json())
        demoted = client.put(f"/users/{ann}/account", json={"role": "editor"}, headers=admin)
        assert demoted.status_code == client.delete(f"/users/{ann}/account", headers=admin).status_code == 409
        with house.service.database.read() as connection:
            assert accounts.get(connection, ann).role is Role.ADMIN

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
    def test_they_are_an_admins(self, house: House, admin: dict[str, str], role: Role) -> None:
        client, ben = house.client(), house.person("Ben", role)
        as_ben = house.token(ben, "b")
        calls: list[Callable[[], Any]] = [
            lambda: client.get("/accounts", headers=as_ben),
            lambda: client.put(f"/users/{ben}/account", json={"role": "admin"}, headers=as_ben),
            lambda: client.delete(f"/users/{ben}/account", headers=as_ben),
            lambda: client.post(f"/users/{ben}/invite", headers=as_ben),
            lambda: client.post("/keys", json={"name": "a"}, headers=as_ben),
            lambda: client.get("/keys", headers=as_ben),
            lambda: client.delete("/keys/matinee_1", headers=as_ben),
            lambda: client.get("/audit", headers=as_ben),
        ]
        assert [call().status_code for call in calls] == [403] * len(calls)

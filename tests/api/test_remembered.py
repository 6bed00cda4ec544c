"""Callers that a process remembers: none too long, none twice, and none who is not valid."""

import base64
import time

import pytest
from fastapi.testclient import TestClient

from app.people import tokens
from app.people.door import Credential, Door, Kind
from app.repository import sessions
from app.storage import schema
from app.user import Role
from tests.house import House, bearer


@pytest.fixture
def ann(house: House) -> int:
    return house.person("Ann", Role.VIEWER)


def test_variants_of_one_token_are_remembered_once(house: House, ann: int) -> None:
    """Base64 has several forms of the same bytes: each would take a place in the memory of the process."""
    door, (header,) = house.service.door, house.token(ann, "s").values()
    token = header.removeprefix("Bearer ")
    head, payload, signature = token.split(".")
    variants = [f"{head}.{payload}.{signature}{rest}" for rest in ("=", "==", "!", "!" * 5_000, "\n", "*=")]
    variants += [f"{head}.{payload}.{'!' * n}{signature}" for n in range(1, 50)]
    with house.service.database.read() as connection:
        found = [door.find(connection, Credential(Kind.BEARER, text)).caller for text in variants]
        assert found == [None] * len(variants)
        assert door.find(connection, Credential(Kind.BEARER, token)).caller is not None


def test_what_is_not_valid_is_not_remembered(house: House) -> None:
    client = house.client()
    for n in range(50):
        assert client.get("/movies", headers=bearer(f"matinee_{n}")).status_code == 401
        assert client.get("/movies", headers={"Cookie": f"matinee={n}"}).status_code == 401
    memory = house.service.door._memory
    assert memory is not None and not memory.callers


@pytest.mark.parametrize("part", ["[" * 40_000, '{"a":' * 40_000, '{"kid":' + "9" * 6_000 + "}", "{}", "5"])
def test_a_token_with_a_head_that_cannot_be_read_is_refused(house: House, part: str) -> None:
    head = base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
    client = TestClient(house.app, base_url="http://192.0.2.1", client=("192.0.2.7", 1))
    assert client.get("/movies", headers=bearer(f"{head}.e30.AAAA")).status_code == 401
    with pytest.raises(Exception, match="not valid"):
        tokens.verify([], f"{head}.e30.AAAA")


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def test_a_caller_who_is_remembered_expires_and_a_session_that_is_prolonged_goes_on(
    house: House, ann: int
) -> None:
    clock = Clock()
    door = Door(house.service.settings, clock=clock)
    cookie = tokens.new_secret()
    credential = Credential(Kind.COOKIE, cookie)
    database = house.service.database
    with database.write() as connection:
        until = clock.now + 60
        sessions.begin(connection, tokens.digest(cookie), ann, now=clock.now, expires_at=until)
    with database.read() as connection:
        assert door.find(connection, credential).caller is not None
    assert door.remembered(credential) is not None
    clock.now += 61
    assert door.remembered(credential) is None
    with database.read() as connection:
        assert door.find(connection, credential).caller is None
    with database.write() as connection:
        row = schema.sessions.update().where(schema.sessions.c.id == tokens.digest(cookie))
        connection.execute(row.values(expires_at=clock.now + 60))
    with database.read() as connection:
        assert door.find(connection, credential).caller is not None

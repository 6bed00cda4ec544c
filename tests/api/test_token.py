"""POST /token: logins over HTTP, their refresh and their end."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from fastapi.testclient import TestClient

from app.api.edge.places import Turns
from app.config import Settings
from app.errors import TooManyRequests
from app.main import create_app
from app.people import passwords, tokens
from app.repository import accounts
from app.user import Role
from tests.api.test_door import House, bearer

PASSWORD = "correct horse"


class Home(House):
    """Without limits."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(replace(settings, limit_logins="1000/second", limit_writes="1000/second"))

    def member(self, name: str = "Ann", role: Role = Role.EDITOR, password: str = PASSWORD) -> int:
        user_id = self.person(name, role)
        with self.service.database.write() as connection:
            accounts.set_password(connection, user_id, passwords.hashed(password))
        return user_id


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """With hashes that cost nothing."""
    monkeypatch.setattr(passwords, "fits", lambda password, stored: password == stored)
    monkeypatch.setattr(passwords, "hashed", lambda password: password)
    home = Home(settings)
    yield home
    home.service.close()


def log_in(client: TestClient, name: str = "Ann", password: str = PASSWORD) -> httpx.Response:
    answer: httpx.Response = client.post("/token", data={"username": name, "password": password})
    return answer


def test_a_name_and_a_password_give_tokens(settings: Settings) -> None:
    home = Home(settings)
    home.member()
    client = home.client()
    answer = log_in(client, "ANN")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    given = answer.json()
    assert given["token_type"] == "bearer"
    assert given["expires_in"] == 15 * 60
    assert client.post("/movies", json={"title": "A"}, headers=bearer(given["access_token"])).is_success
    assert client.get("/movies", headers=bearer(given["refresh_token"])).status_code == 401
    assert log_in(client, "Ann", "wrong").status_code == 401
    home.service.close()


def test_grant_type_may_be_named(home: Home) -> None:
    home.member()
    form = {"username": "Ann", "password": PASSWORD, "grant_type": "password", "scope": "", "client_id": "x"}
    assert home.client().post("/token", data=form).status_code == 200
    refused = home.client().post("/token", data=form | {"grant_type": "implicit"})
    assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type")


def test_an_unknown_name_is_answered_as_a_wrong_password_is(home: Home) -> None:
    home.member()
    client = home.client()
    answers = [log_in(client, "Ann", "wrong"), log_in(client, "Cid", "wrong")]
    first, second = [answer.json() | {"request_id": ""} for answer in answers]
    assert first == second
    assert first["error"] == "invalid_grant"
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert answers[0].headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "form", [{}, {"username": "Ann"}, {"password": "x"}, {"grant_type": "refresh_token"}]
)
def test_what_is_missing_is_named(home: Home, form: dict[str, str]) -> None:
    refused = home.client().post("/token", data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert "is missing" in refused.json()["detail"]


def test_json_is_not_a_form(home: Home) -> None:
    refused = home.client().post("/token", json={"username": "Ann", "password": PASSWORD})
    assert refused.status_code == 400
    assert "application/x-www-form-urlencoded" in refused.json()["detail"]


def test_large_names_and_passwords_are_refused_without_a_hash(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(password: str, stored: str | None) -> bool:
        raise AssertionError("hashed")

    monkeypatch.setattr(passwords, "fits", fail)
    client = home.client()
    assert log_in(client, "A" * 1_000).status_code == 401
    assert log_in(client, "Ann", "x" * 1_001).status_code == 401
    assert log_in(client, "Ann", "x" * 1_000_000).status_code == 413
    assert log_in(client, "A\0").status_code == 401


def test_the_longest_password_is_received(home: Home) -> None:
    password = "\N{GRINNING FACE}" * passwords.LONGEST
    home.member(password=password)
    assert log_in(home.client(), password=password).status_code == 200


def test_failures_in_a_row_make_the_caller_wait(home: Home) -> None:
    home.member()
    client = home.client()
    for _ in range(5):
        assert log_in(client, password="wrong").status_code == 401
    refused = log_in(client)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    other = TestClient(home.app, base_url="http://192.0.2.1", client=("192.0.2.8", 1))
    assert log_in(other).status_code == 200


def test_a_refresh_token_is_used_once(home: Home) -> None:
    home.member()
    client = home.client()
    first = log_in(client).json()

    def refresh(given: dict[str, str]) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
        answer: httpx.Response = client.post("/token", data=form)
        return answer

    second = refresh(first).json()
    assert client.get("/movies", headers=bearer(second["access_token"])).status_code == 200
    stolen = refresh(first)
    assert (stolen.status_code, stolen.json()["error"]) == (401, "invalid_grant")
    assert refresh(second).status_code == 401
    assert client.get("/movies", headers=bearer(second["access_token"])).status_code == 401


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_revoked_login_is_gone_in_the_next_request(home: Home, kind: str) -> None:
    home.member()
    client = home.client()
    given = log_in(client).json()
    header = bearer(given["access_token"])
    assert client.get("/movies", headers=header).status_code == 200
    answer = client.post("/token/revoke", data={"token": given[kind]}, headers=header)
    assert (answer.status_code, answer.content) == (200, b"")
    assert client.get("/movies", headers=header).status_code == 401
    assert client.post("/token/revoke", data={"token": given[kind]}).status_code == 200
    assert client.post("/token/revoke", data={"token": "x"}).status_code == 200


def test_what_cannot_be_revoked_here_is_said(home: Home) -> None:
    client = home.client()
    refused = client.post("/token/revoke", data={"token": tokens.new_key()[0]})
    assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_token_type")
    refused = client.post("/token/revoke", data={})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def test_no_secret_is_logged_or_sent_back(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    home.member()
    client, wrong = home.client(), "a wrong password"
    given = log_in(client).json()
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    assert client.post("/token", data=form).status_code == 200
    refused = [log_in(client, password=wrong), client.post("/token", data=form)]
    refused += [client.post("/token", json={"username": "Ann", "password": wrong})]
    refused += [client.post("/token", files={"username": b"Ann", "password": wrong.encode()})]
    refused += [client.post("/token", data={"username": "Ann", "password": wrong, "grant_type": "x"})]
    refused += [client.post("/token", data={"token": given["access_token"]})]
    assert {answer.status_code for answer in refused} <= {400, 401, 422}
    seen = caplog.text + "".join(answer.text for answer in refused)
    for secret in (PASSWORD, wrong, given["access_token"], given["refresh_token"]):
        assert secret not in seen


def test_with_the_door_closed_it_says_how_to_open_it(settings: Settings) -> None:
    app = create_app(settings)
    refused = log_in(TestClient(app))
    assert refused.status_code == 409
    assert "matinee user add" in refused.json()["detail"]
    app.state.service.close()


def test_a_door_that_another_process_opened_lets_the_first_login_in(settings: Settings) -> None:
    app = create_app(settings)
    client = TestClient(app)
    assert client.get("/movies").status_code == 200  # the process knows that the door is closed
    home = Home(settings)
    home.member()
    assert log_in(client).status_code == 200
    app.state.service.close()
    home.service.close()


def test_logins_that_wait_for_their_turn_hold_no_place(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside one that is being hashed all places for reads and writes are free, and tokens are refreshed."""
    begun, go_on = threading.Event(), threading.Event()

    def fits(password: str, stored: str | None) -> bool:
        begun.set()
        assert go_on.wait(10)
        return password == stored

    monkeypatch.setattr(passwords, "fits", fits)
    header = home.token(home.member(), "s")

    async def run() -> None:
        transport = httpx.ASGITransport(home.app, client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://192.0.2.1") as client:
            form = {"username": "Ann", "password": PASSWORD}
            logins = [asyncio.create_task(client.post("/token", data=form)) for _ in range(60)]
            await asyncio.to_thread(begun.wait, 10)
            reads = [client.get("/movies", headers=header) for _ in range(30)]
            assert {answer.status_code for answer in await asyncio.gather(*reads)} == {200}
            writes = [client.post("/movies", json={"title": "A"}, headers=header) for _ in range(10)]
            assert {answer.status_code for answer in await asyncio.gather(*writes)} == {201}
            refresh = {"grant_type": "refresh_token", "refresh_token": "unknown"}
            assert (await client.post("/token", data=refresh)).status_code == 401
            assert not any(login.done() for login in logins)
            go_on.set()
            answers = [answer.status_code for answer in await asyncio.gather(*logins)]
            assert 200 in answers
            assert set(answers) <= {200, 429}  # one that took long may make others too late

    asyncio.run(run())


def test_a_login_that_would_wait_too_long_is_refused_at_once() -> None:
    """As long as those before it took; one that took too long keeps no later one out."""
    now = 0.0

    async def run() -> None:
        nonlocal now
        turns = Turns(10, lambda: now)
        await turns.enter()
        now += 2
        turns.leave()
        await turns.enter()
        waiting = [asyncio.create_task(turns.enter(5)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests, match="would wait for 6 s") as refusal:
            await turns.enter(5)
        assert refusal.value.headers["Retry-After"] == "1"
        now += 100
        for one in waiting:
            turns.leave()
            await one
        turns.leave()
        await turns.enter(5)

    asyncio.run(run())


def test_logins_that_come_at_once_begin_one_after_the_other(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So hundreds of them take neither the event loop nor the threads from others."""
    begun: list[str] = []
    first, go_on = threading.Event(), threading.Event()

    def admit(name: str, _password: str, _address: str) -> None:
        begun.append(name)
        first.set()
        assert go_on.wait(10)

    monkeypatch.setattr(home.service.logins, "admit", admit)
    header = home.token(home.member(), "s")

    async def run() -> None:
        transport = httpx.ASGITransport(home.app, client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://192.0.2.1") as client:
            form = {"username": "Ann", "password": PASSWORD}
            logins = [asyncio.create_task(client.post("/token", data=form)) for _ in range(60)]
            await asyncio.to_thread(first.wait, 10)
            assert (await client.get("/movies", headers=header)).status_code == 200
            assert len(begun) == 1
            go_on.set()
            answers = [answer.status_code for answer in await asyncio.gather(*logins)]
            assert 200 in answers
            assert set(answers) <= {200, 429}  # as long as the machine took

    asyncio.run(run())


def test_a_login_whose_turn_does_not_come_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def fits(password: str, stored: str | None) -> bool:
        begun.set()
        return go_on.wait(10)

    monkeypatch.setattr(passwords, "fits", fits)
    home.member()

    async def run() -> None:
        transport = httpx.ASGITransport(home.app, client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://192.0.2.1") as client:
            form = {"username": "Ann", "password": PASSWORD}
            first = asyncio.create_task(client.post("/token", data=form))
            await asyncio.to_thread(begun.wait, 10)
            refused = await client.post("/token", data=form, headers={"X-Request-Timeout": "0.01"})
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
            go_on.set()
            assert (await first).status_code == 200

    asyncio.run(run())

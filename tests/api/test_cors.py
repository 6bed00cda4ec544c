"""Pages of other origins: those that the settings name call the API, with a token or key, without cookies."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from app.api.edge.cors import EXPOSED, SENT
from app.config import Settings
from app.errors import ConfigurationError
from app.main import create_app
from app.people import tokens
from app.repository import sessions
from app.user import Role
from tests.api.test_door import House

APP, OTHER = "https://app.example", "https://other.example"
MOVIE = {"title": "A"}
CROSS = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    house = House(replace(settings, cors_origins=f"{APP}, HTTP://Localhost:3000"))
    yield house
    house.service.close()


def preflight(client: TestClient, path: str, origin: str = APP, method: str = "POST") -> Response:
    wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
    answer: Response = client.options(path, headers={"Origin": origin} | wanted)
    return answer


def names(answer: Response, header: str) -> set[str]:
    return set(answer.headers[header].split(", "))


@pytest.mark.parametrize("origin", [APP, "http://localhost:3000"])
@pytest.mark.parametrize("path", ["/movies", "/users/1", "/no/such"])
def test_a_preflight_is_answered_before_the_caller_is_judged(house: House, path: str, origin: str) -> None:
    answer = preflight(house.client(), path, origin)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == origin
    assert names(answer, "access-control-allow-methods") >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    allowed = names(answer, "access-control-allow-headers")
    assert (
        allowed
        == set(SENT)
        >= {"Authorization", "Content-Type", "Idempotency-Key", "Prefer", "If-None-Match"}
    )
    assert not {"X-CSRF-Token", "Cookie"} & allowed
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]


def test_another_origin_gets_none_of_it(house: House) -> None:
    asked = preflight(house.client(), "/movies", OTHER)
    assert not [name for name in asked.headers if name.startswith("access-control")]
    key = house.key(house.person("Ann", Role.EDITOR), Role.EDITOR)
    for headers in ({"Origin": OTHER}, {"Origin": "null"}, {}):
        answer = house.client().get("/movies", headers=key | headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" in answer.headers["vary"]
    refused = house.client().post("/movies", json=MOVIE, headers=key | {"Origin": OTHER})
    assert refused.status_code == 403


def test_a_script_of_another_origin_reads_and_writes_with_a_key(house: House) -> None:
    key = house.key(house.person("Ann", Role.EDITOR), Role.EDITOR)
    client = house.client()
    made = client.post("/movies", json=MOVIE, headers=CROSS | key)
    assert (made.status_code, made.headers["access-control-allow-origin"]) == (201, APP)
    read = client.get("/movies?limit=1", headers=CROSS | key)
    assert read.status_code == 200
    assert names(read, "access-control-expose-headers") == set(EXPOSED)
    assert {"ETag", "Link", "Location", "Retry-After", "X-Source", "X-Model-Version"} <= set(EXPOSED)
    assert client.get("/movies", headers=key).headers.get("access-control-allow-origin") is None


def test_every_header_of_ours_is_exposed(house: House) -> None:
    """Those of responses that a page would use, as the endpoints and layers set them."""
    key = house.key(house.person("Ann", Role.ADMIN), Role.ADMIN)
    client = house.client()
    answers = [client.get(path, headers=key) for path in ("/movies?limit=1", "/movies.csv", "/nope", "/")]
    answers += [client.get("/recommendations/7", headers=key), client.get("/movies")]
    once = key | {"Idempotency-Key": "k"}
    answers += [client.post("/recommender/rebuild", headers=once) for _ in range(2)]
    known = {name.lower() for name in EXPOSED} | {
        "cache-control",
        "content-encoding",
        "content-length",
        "content-type",
    }
    known |= {"x-content-type-options", "referrer-policy", "vary", "content-security-policy"}
    assert {name for answer in answers for name in answer.headers} <= known


def test_errors_carry_the_headers_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    key = house.key(house.person("Ann", Role.ADMIN), Role.ADMIN)
    monkeypatch.setattr("app.repository.movies.top", lambda *_a, **_k: 1 / 0)
    client = house.client()
    for path, headers, status in (
        ("/movies", {}, 401),
        ("/no/such", key, 404),
        ("/movies/top", key, 500),
        ("/movies?limit=x", key, 422),
        ("/movies", key | {"Host": "evil.example"}, 421),
    ):
        answer = client.get(path, headers=CROSS | headers)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, APP)


def test_a_cookie_does_not_change_anything_across_origins(house: House) -> None:
    client, ann, cookie = house.client(), house.person("Ann", Role.EDITOR), tokens.new_secret()
    session = tokens.digest(cookie)
    with house.service.database.write() as connection:
        sessions.begin(connection, session, ann, now=time.time(), expires_at=time.time() + 60)
    client.cookies.set("matinee", cookie)
    page = {"X-CSRF-Token": house.service.door.csrf_token(session)}
    refused = client.post("/movies", json=MOVIE, headers=CROSS | page)
    assert refused.status_code == 403
    assert "Authorization: Bearer" in refused.json()["detail"]


def test_with_the_door_closed_this_machine_alone(settings: Settings) -> None:
    app = create_app(replace(settings, cors_origins=APP))
    here, outside = TestClient(app), TestClient(app, client=("192.0.2.7", 1))
    assert preflight(here, "/movies").headers["access-control-allow-origin"] == APP
    read = here.get("/movies", headers=CROSS)
    assert (read.status_code, read.headers["access-control-allow-origin"]) == (200, APP)
    assert here.post("/movies", json=MOVIE, headers=CROSS).status_code == 403
    assert here.post("/movies", json=MOVIE, headers=CROSS | {"Authorization": "Bearer x"}).status_code == 201
    assert outside.get("/movies", headers=CROSS).status_code == 403
    app.state.service.close()


def test_it_is_off_by_default(client: TestClient) -> None:
    for answer in (client.get("/movies", headers={"Origin": APP}), preflight(client, "/movies")):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" not in answer.headers.get("vary", "")


@pytest.mark.parametrize(
    "value",
    ["*", "null", "app.example", "https://app.example/x", "https://*.example", "ftp://a", "https://a:99999"],
)
def test_what_is_no_origin_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(ConfigurationError, match="MATINEE_CORS_ORIGINS") as caught:
        Settings.from_environment({"MATINEE_CORS_ORIGINS": f"{APP}, {value}"})
    assert value != "*" or "every page on the web" in caught.value.detail


@pytest.mark.parametrize(
    ("written", "sent"), [("https://a.example:443", "https://a.example"), ("http://A:80", "http://a")]
)
def test_an_origin_is_compared_as_browsers_write_it(settings: Settings, written: str, sent: str) -> None:
    app = create_app(replace(settings, cors_origins=written))
    assert preflight(TestClient(app), "/movies", sent).headers["access-control-allow-origin"] == sent
    app.state.service.close()


@pytest.mark.parametrize(
    ("url", "is_strict"),
    [("https://192.0.2.1", True), ("http://192.0.2.1", False), ("https://localhost:8000", False)],
)
def test_under_tls_browsers_stay_with_tls(house: House, url: str, is_strict: bool) -> None:
    client: Any = TestClient(house.app, base_url=url)
    assert ("strict-transport-security" in client.get("/health").headers) == is_strict


@pytest.mark.parametrize("host", ["192.0.2.1", "192.0.2.1:8000", "[2001:db8::1]:8000", "[::1]", "127.0.0.2"])
def test_with_the_door_open_a_host_may_be_any_address(house: House, host: str) -> None:
    key = house.key(house.person("Ann", Role.VIEWER), Role.VIEWER)
    client = house.client()
    assert client.get("/movies", headers=key | {"Host": host}).status_code == 200
    for wrong in ("films.example", "192.0.2", "192.0.2.1.example", "[::1", "192.0.2.1%x", ""):
        assert client.get("/movies", headers=key | {"Host": wrong}).status_code == 421
        assert client.get("/health", headers={"Host": wrong}).status_code == 200

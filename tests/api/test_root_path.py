"""A prefix of all addresses, as behind a proxy that serves other sites too."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi import Response
from fastapi.testclient import TestClient

from app.api.edge.rules import PUBLIC
from app.config import Settings
from app.errors import ConfigurationError
from app.main import create_app
from app.people import tokens
from app.repository import sessions
from app.user import Role
from tests.api.test_door import House

ADDRESS = re.compile(r'(?:href|src|action)="([^"]*)"')
PAGES = ("/", "/import", "/activity", "/quality", "/system", "/docs", "/no/such/page")
HTML = {"Accept": "text/html"}


@pytest.fixture(params=["/films", ""], ids=["passed on", "stripped"])
def below(settings: Settings, request: pytest.FixtureRequest) -> Iterator[TestClient]:
    """A client behind a proxy that passes the prefix on, and behind one that strips it."""
    app = create_app(replace(settings, root_path="/films"))
    yield TestClient(app, base_url=f"http://testserver{request.param}")
    app.state.service.close()


@pytest.mark.parametrize("path", PAGES)
def test_every_address_of_a_page_has_the_prefix(below: TestClient, path: str) -> None:
    html = below.get(path, headers=HTML).text
    assert '<html lang="en" data-root="/films">' in html
    addresses = [found for found in ADDRESS.findall(html) if not found.startswith("#")]
    assert len(addresses) > 5
    assert [found for found in addresses if not found.startswith("/films/")] == []
    assert [found for found in addresses if found.startswith("/films/films")] == []
    for found in addresses:
        if found.startswith("/films/static/"):
            assert below.get(found.removeprefix("/films")).status_code == 200


def test_without_a_prefix_addresses_begin_at_the_root(client: TestClient) -> None:
    html = client.get("/").text
    assert '<html lang="en" data-root="">' in html
    assert 'href="/static/matinee.css"' in html
    assert [one["url"] for one in client.get("/openapi.json").json()["servers"]] == ["/"]


def test_the_page_knows_which_of_them_it_is(below: TestClient) -> None:
    html = below.get("/quality").text
    assert re.findall(r'href="([^"]*)"[^>]*aria-current="page"', html) == ["/films/quality"]


def test_headers_of_the_api_have_the_prefix(below: TestClient) -> None:
    made = below.post("/movies", json={"title": "A"})
    assert made.headers["location"] == f"/films/movies/{made.json()['id']}"
    following = below.get("/movies?limit=1").headers["link"]
    assert following.startswith("</films/movies?limit=1&cursor=")
    path = following[1:].partition(">")[0]
    assert below.get(path.removeprefix("/films")).json()[0]["id"] == 2
    once = {"Idempotency-Key": "k"}
    for _ in range(2):
        task = below.post("/recommender/rebuild", headers=once)
        assert task.headers["location"] == f"/films/recommender/rebuild/{task.json()['task_id']}"
    moved = below.get("/film/7?user=1", follow_redirects=False)
    assert moved.headers["location"] == "/films/movie/7?user=1"
    slash = below.get("/movies/", follow_redirects=False)
    assert slash.headers["location"] == "http://testserver/films/movies"


def test_the_description_names_the_prefix(below: TestClient) -> None:
    assert [one["url"] for one in below.get("/openapi.json").json()["servers"]] == ["/films"]


@pytest.mark.parametrize(
    ("name", "given", "sent"),
    [
        ("Location", "/", "/films/"),
        ("Location", "/movies/1", "/films/movies/1"),
        ("Location", "/films/movies/1", "/films/movies/1"),
        ("Location", "/filmsmovies", "/films/filmsmovies"),
        ("Location", "https://a.example/x", "https://a.example/x"),
        (
            "Set-Cookie",
            "matinee=x; HttpOnly; Path=/; SameSite=lax",
            "matinee=x; HttpOnly; Path=/films; SameSite=lax",
        ),
        ("Set-Cookie", "__Host-matinee=x; Path=/; Secure", "__Secure-matinee=x; Path=/films; Secure"),
        ("Set-Cookie", "matinee=x; path=/", "matinee=x; path=/films"),
    ],
)
def test_headers_that_are_written_without_the_prefix_leave_with_it(
    settings: Settings, name: str, given: str, sent: str
) -> None:
    app = create_app(replace(settings, root_path="/films"))

    @app.get("/written", dependencies=[PUBLIC])
    def written() -> Response:
        return Response(headers={name: given})

    assert TestClient(app).get("/films/written").headers[name] == sent
    app.state.service.close()


def test_a_key_that_is_bound_to_an_address_is_good_below_the_prefix(settings: Settings) -> None:
    house = House(replace(settings, root_path="/films"))
    key = house.key(house.person("Ann", Role.ADMIN), Role.VIEWER, address="/movies/top")
    for path in ("/films/movies/top", "/movies/top"):
        assert house.client().get(path, headers=key).status_code == 200
    assert house.client().get("/films/movies", headers=key).status_code == 403
    house.service.close()


@pytest.mark.parametrize("root", ["", "/films"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_of_a_session_has_one_name(settings: Settings, root: str, scheme: str) -> None:
    """Under TLS with a prefix in its name, so that no other site of the same domain can have set it."""
    house, cookie = House(replace(settings, root_path=root)), tokens.new_secret()
    ann = house.person("Ann", Role.VIEWER)
    with house.service.database.write() as connection:
        until = time.time() + 60
        sessions.begin(connection, tokens.digest(cookie), ann, now=time.time(), expires_at=until)
    good = {("", "http"): "matinee", ("/films", "http"): "matinee", ("", "https"): "__Host-matinee"}
    for name in ("matinee", "__Host-matinee", "__Secure-matinee"):
        client = TestClient(house.app, base_url=f"{scheme}://192.0.2.1")
        status = 200 if name == good.get((root, scheme), "__Secure-matinee") else 401
        assert client.get("/movies", headers={"Cookie": f"{name}={cookie}"}).status_code == status
    house.service.close()


def test_a_name_that_only_begins_like_the_prefix_is_not_below_it(below: TestClient) -> None:
    assert below.get("/filmsmovies").status_code == 404


@pytest.mark.parametrize("root", ["films", "/films/", "/", "/a//b", "/..", "/a b", "/a?b", '/"x'])
def test_what_is_no_prefix_is_refused(root: str) -> None:
    with pytest.raises(ConfigurationError, match=r"MATINEE_ROOT_PATH.*begins with /"):
        Settings.from_environment({"MATINEE_ROOT_PATH": root})


@pytest.mark.parametrize("root", ["/movies", "/movie/x", "/static", "/health"])
def test_a_prefix_that_is_an_address_of_ours_is_refused(settings: Settings, root: str) -> None:
    with pytest.raises(ConfigurationError, match="begins like an address"):
        create_app(replace(settings, root_path=root))

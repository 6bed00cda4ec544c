"""Logging in by a form, without a browser: cookies, refusals, where it leads, what the logs keep."""

import base64
import hashlib
import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.api.problems import named
from app.config import Settings
from app.main import create_app
from app.people import tokens
from app.repository import sessions
from app.user import Role
from app.web.login import local
from tests.web.house import PASSWORD, House

OUTSIDE = ("192.0.2.7", 4711)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def house(settings: Settings) -> House:
    house = House(settings)
    house.open()
    return house


@pytest.fixture
def outside(house: House, settings: Settings) -> Iterator[TestClient]:
    """A browser on another machine."""
    app = create_app(settings)
    yield TestClient(
        app, base_url="http://192.0.2.1", client=OUTSIDE, headers=BROWSER, follow_redirects=False
    )
    app.state.service.close()


def log_in(client: TestClient, name: str, password: str = PASSWORD, next: str = "/") -> str:
    """Returns where the login leads to, or what it says."""
    answer = client.post("/login", data={"name": name, "password": password, "next": next})
    if answer.status_code == 303:
        return str(answer.headers["location"])
    found = re.search(r'role="alert">([^<]+)<', answer.text)
    assert found, answer.text
    return found[1]


def test_a_browser_without_a_session_is_led_to_the_login_and_a_script_is_refused(outside: TestClient) -> None:
    led = outside.get("/activity?kind=import_ratings")
    assert led.status_code == 303
    assert led.headers["location"] == "/login?next=%2Factivity%3Fkind%3Dimport_ratings"
    refused = outside.get("/activity", headers={"Accept": "*/*"})
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")


def test_a_login_has_a_cookie_that_no_script_reads_and_leads_back(house: House, outside: TestClient) -> None:
    house.person("Ann")
    form = outside.get("/login?next=/activity")
    assert 'name="next" value="/activity"' in form.text and "<script" not in form.text
    assert form.headers["referrer-policy"] == "same-origin"
    answer = outside.post("/login", data={"name": "ann", "password": PASSWORD, "next": "/activity"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/activity")
    name, *flags = re.split(r"; ", answer.headers["set-cookie"])
    assert name.startswith("matinee=") and len(name) > 40
    assert {"HttpOnly", "Path=/", "SameSite=lax"} < set(flags)
    assert int(next(flag for flag in flags if flag.startswith("Max-Age="))[8:]) > 29 * 86_400
    page = outside.get("/activity")
    assert 'content="Ann"' in page.text and outside.cookies["matinee"] not in page.text
    assert outside.get("/login?next=/quality").headers["location"] == "/quality"


def test_under_tls_the_cookie_is_bound_to_the_host(house: House, settings: Settings) -> None:
    house.person("Ann")
    app = create_app(settings)
    client = TestClient(app, base_url="https://192.0.2.1", client=OUTSIDE, follow_redirects=False)
    answer = client.post("/login", data={"name": "Ann", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-matinee=") and "; Secure" in cookie and "; Path=/;" in cookie
    assert client.get("/movies").status_code == 200
    app.state.service.close()


def test_a_refused_login_is_the_form_again(house: House, outside: TestClient) -> None:
    house.person("Ann")
    answer = outside.post("/login", data={"name": "<Ann>", "password": "not <this> one"})
    assert answer.status_code == 422
    assert "The name or the password is wrong." in answer.text
    assert 'value="&lt;Ann&gt;"' in answer.text and "not &lt;this" not in answer.text
    assert "set-cookie" not in answer.headers
    assert log_in(outside, "Ann", "wrong one") == log_in(outside, "Nemo", "wrong one")


def test_too_many_failures_are_said_plainly(house: House, outside: TestClient) -> None:
    house.person("Ann")
    for _ in range(20):
        answer = outside.post("/login", data={"name": "Ann", "password": "wrong one"})
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers and 'role="alert">' in answer.text
    assert "POST" not in answer.text and "/token" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: a=b",
        "evil",
        "",
        "/login?next=/login",
        "/logout",
    ],
)
def test_a_login_leads_to_pages_of_this_server_alone(house: House, outside: TestClient, path: str) -> None:
    house.person("Ann")
    assert log_in(outside, "Ann", next=path) == "/"
    assert local("/movie/1?user=7&a=b") == "/movie/1?user=7&a=b"


def test_a_login_from_a_page_of_another_site_is_refused(house: House, outside: TestClient) -> None:
    house.person("Ann")
    form = {"name": "Ann", "password": PASSWORD}
    answer = outside.post("/login", data=form, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_a_form_of_another_kind_or_size_is_no_fault(outside: TestClient) -> None:
    assert outside.post("/login", json={"name": "Ann"}).status_code == 422
    assert outside.post("/login", data={f"a{i}": "" for i in range(99)}).status_code == 422
    assert outside.post("/login", data={"name": "Ann\0", "password": "wrong one"}).status_code == 422
    assert outside.post("/login", data={"name": "A" * 1000, "password": "a" * 100_000}).status_code in (
        401,
        413,
    )


def test_logging_out_ends_the_session(house: House, outside: TestClient) -> None:
    house.person("Ann")
    log_in(outside, "Ann")
    cookie, page = outside.cookies["matinee"], outside.get("/").text
    token = re.search(r'name="csrf-token" content="(\w+)"', page)
    assert token
    assert outside.post("/logout").status_code == 403
    assert outside.get("/movies").status_code == 200
    answer = outside.post("/logout", headers={"X-CSRF-Token": token[1]})
    assert answer.status_code == 204 and "matinee=" in answer.headers["set-cookie"]
    assert "matinee" not in outside.cookies
    outside.cookies.set("matinee", cookie)
    assert outside.get("/movies", headers={"Accept": "*/*"}).status_code == 401


def test_another_login_in_the_same_browser_ends_the_one_before(house: House, outside: TestClient) -> None:
    house.person("Ann")
    house.person("Ben")
    log_in(outside, "Ann")
    before = outside.cookies["matinee"]
    log_in(outside, "Ben")
    assert 'content="Ben"' in outside.get("/").text
    outside.cookies.clear()
    outside.cookies.set("matinee", before)
    assert outside.get("/").status_code == 303


def test_a_session_that_is_used_lasts_on(house: House, outside: TestClient, settings: Settings) -> None:
    house.person("Ann")
    log_in(outside, "Ann")
    session = tokens.digest(outside.cookies["matinee"])
    assert "data-ageing" not in outside.get("/").text
    row = house.change(lambda connection: sessions.find(connection, session))
    assert row
    early = row.expires_at - 2 * 86_400
    house.change(lambda connection: sessions.extend(connection, session, expires_at=early))
    house.open()  # moves the door: the server asks again
    outside.get("/")
    page = outside.get("/").text
    token = re.search(r'name="csrf-token" content="(\w+)" data-ageing', page)
    assert token
    assert outside.post("/session", headers={"X-CSRF-Token": token[1]}).status_code == 204
    found = house.change(lambda connection: sessions.find(connection, session))
    assert found and found.expires_at >= row.expires_at


def test_with_the_door_closed_nobody_logs_in(settings: Settings) -> None:
    app = create_app(settings)
    here = TestClient(app, follow_redirects=False)
    assert here.get("/login?next=/quality").headers["location"] == "/quality"
    answer = here.post("/login", data={"name": "Ann", "password": PASSWORD})
    assert answer.headers["location"] == "/" and "set-cookie" not in answer.headers
    app.state.service.close()


def test_an_invitation_sets_a_password_once(house: House, outside: TestClient) -> None:
    ann = house.person("Ann", password=None)
    path = house.invite(ann)
    assert "Welcome, <bdi>Ann</bdi>" in outside.get(path).text
    two = {"password": PASSWORD, "again": PASSWORD + "!"}
    answer = outside.post(path, data=two)
    assert answer.status_code == 422 and "The two passwords differ" in answer.text
    answer = outside.post(path, data={"password": "short", "again": "short"})
    assert answer.status_code == 422 and "8 to 1,000 characters" in answer.text
    assert outside.post(path, data={"password": PASSWORD, "again": PASSWORD}).headers["location"] == "/"
    assert 'content="Ann"' in outside.get("/").text
    for answer in (outside.get(path), outside.post(path, data={"password": "b" * 9, "again": "b" * 9})):
        assert answer.status_code == 404 and "was used already" in answer.text and "new link" in answer.text
    outside.cookies.clear()
    assert log_in(outside, "Ann") == "/"


def test_an_old_invitation_says_so(house: House, outside: TestClient) -> None:
    path = house.invite(house.person("Ann", password=None), seconds=-1)
    for answer in (outside.get(path), outside.get("/invite/nonsense")):
        assert answer.status_code == 404 and "This link works no more" in answer.text


def test_the_secret_of_an_invitation_is_in_no_name_of_a_request() -> None:
    assert "secret" not in named({"method": "GET", "path": "/invite/very-secret", "request_id": "1"})


def test_a_stranger_reads_how_the_door_is_opened(settings: Settings) -> None:
    app = create_app(settings)
    client = TestClient(app, base_url="http://192.0.2.1", client=OUTSIDE, headers=BROWSER)
    page = client.get("/")
    assert page.status_code == 403
    for said in ("matinee user add NAME --role admin", "MATINEE_HOST=0.0.0.0", "MATINEE_ALLOWED_HOSTS="):
        assert said in page.text
    assert "MATINEE_TRUSTED_PROXIES" not in page.text and "/static/" not in page.text
    style = re.search(r"<style>(.*)</style>", page.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"]
    passed_on = TestClient(app, headers=BROWSER | {"X-Forwarded-For": "192.0.2.7"}).get("/")
    assert "MATINEE_TRUSTED_PROXIES" in passed_on.text
    assert client.get("/", headers={"Accept": "*/*"}).json()["status"] == 403
    app.state.service.close()


def test_a_page_is_refused_in_the_request_after_the_right_is_taken(house: House, outside: TestClient) -> None:
    ann = house.person("Ann", Role.EDITOR)
    log_in(outside, "Ann")
    assert outside.get("/").status_code == 200
    house.end_sessions(ann)
    assert outside.get("/").headers["location"] == "/login?next=%2F"
    log_in(outside, "Ann")
    assert outside.get("/").status_code == 200
    house.close()
    refused = outside.get("/")
    assert refused.status_code == 403 and "Matinee is not open to other devices yet" in refused.text


def test_an_unknown_name_of_the_server_is_a_page(house: House, outside: TestClient) -> None:
    answer = outside.get("/login", headers={"Host": "films.example"})
    assert answer.status_code == 421 and "MATINEE_ALLOWED_HOSTS=films.example" in answer.text


@pytest.mark.parametrize("role", Role)
def test_a_page_offers_what_the_role_may(house: House, outside: TestClient, role: Role) -> None:
    house.person("Ann", role)
    log_in(outside, "Ann")
    assert ('href="/system"' in outside.get("/").text) == role.includes(Role.EDITOR)
    assert ('id="chooser"' in outside.get("/").text) == role.includes(Role.EDITOR)
    assert ('id="new-person"' in outside.get("/").text) == (role is Role.ADMIN)
    assert ('id="sample"' in outside.get("/import").text) == role.includes(Role.EDITOR)
    assert ('id="rebuild"' in outside.get("/quality").text) == role.includes(Role.EDITOR)
    for path in re.findall(r'<a href="(/\w*)"', outside.get("/").text):
        assert outside.get(path).status_code == 200


def test_the_page_of_people_offers_no_more_than_is_possible(house: House, outside: TestClient) -> None:
    house.person("Ann", Role.ADMIN)
    log_in(outside, "Ann")
    alone = outside.get("/people").text
    assert "the only admin" in alone and "data-role" not in alone and 'data-do="remove"' not in alone
    house.person("Ben", Role.ADMIN)
    both = outside.get("/people").text
    assert "the only admin" not in both and both.count("data-role") == both.count('data-do="remove"') == 2
    house.person("Eve", Role.EDITOR)
    log_in(outside, "Eve")
    assert outside.get("/people").status_code == 403


def test_without_accounts_the_page_of_people_says_how_to_begin(settings: Settings) -> None:
    app = create_app(settings)
    client = TestClient(app)
    client.post("/users", json={"name": "Ann"})
    text = client.get("/people").text
    assert "matinee user add NAME --role admin" in text and "Ann" in text
    assert "Invite" not in text and 'id="new-key"' not in text
    app.state.service.close()

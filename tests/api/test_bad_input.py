"""What callers of the door, and operators, get wrong: it is refused with a reason and fails no service."""

import time
import unicodedata
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st

from app.config import Settings
from app.errors import Conflict
from app.main import create_app
from app.people import secrets, tokens
from app.people.door import Door
from app.repository import accounts, sessions
from app.user import Role
from tests.house import House, bearer

Header = tuple[bytes, bytes]


@pytest.fixture
def ann(house: House) -> int:
    return house.person("Ann", Role.ADMIN)


@pytest.fixture
def client(house: House) -> TestClient:
    return TestClient(
        house.app, base_url="http://192.0.2.1", client=("192.0.2.7", 1), raise_server_exceptions=False
    )


def cookie_of(house: House, user_id: int) -> str:
    """The cookie of a new session in a browser."""
    text, now = tokens.new_secret(), time.time()
    with house.service.database.write() as connection:
        sessions.begin(connection, tokens.digest(text), user_id, now=now, expires_at=now + 60)
    return text


def status(client: TestClient, *headers: Header | tuple[str, str], path: str = "/movies") -> int:
    raw = [tuple(part if isinstance(part, bytes) else part.encode() for part in one) for one in headers]
    answer = client.get(path, headers=raw)
    assert answer.status_code < 500, answer.text
    return int(answer.status_code)


@pytest.mark.parametrize("name", ["", " ", "\t", "a" * 101, "a" * 1_000, "a\x00b", "\u202e" * 1_000])
def test_a_name_of_no_or_too_many_letters(house: House, client: TestClient, ann: int, name: str) -> None:
    headers = house.token(ann, "a")
    for method, path in (("POST", "/users"), ("PATCH", f"/users/{ann}")):
        answer = client.request(method, path, json={"name": name}, headers=headers)
        assert answer.status_code == 422, answer.text
        assert "name" in answer.json()["detail"]


@pytest.mark.parametrize(
    "name", ["Zoë", "zoë", " ZOË ", unicodedata.normalize("NFD", "Zoë"), "\uff3a\uff4f\u00eb"]
)
def test_the_same_name_in_another_form(house: House, client: TestClient, ann: int, name: str) -> None:
    headers = house.token(ann, "a")
    assert client.post("/users", json={"name": "Zoë"}, headers=headers).status_code == 201
    again = client.post("/users", json={"name": name}, headers=headers)
    assert again.status_code == 409 and "name" in again.json()["detail"]


def test_a_key_with_blanks(house: House, client: TestClient, ann: int) -> None:
    key = house.key(ann, Role.VIEWER)["Authorization"].removeprefix("Bearer ")
    assert status(client, ("Authorization", f"Bearer   {key}  ")) == 200
    for text in (
        key[:20] + " " + key[20:],
        f"{key} {key}",
        f"{key},{key}",
        f"{key}\t",
        key.upper(),
        key[:-1],
    ):
        assert status(client, ("Authorization", f"Bearer {text}")) in (200, 401), text
        if text.strip() != key:
            assert status(client, ("Authorization", f"Bearer {text}")) == 401, text


def test_two_authorization_headers(house: House, client: TestClient, ann: int) -> None:
    (good,) = house.token(ann, "a").items()
    for other in (good, ("authorization", "Basic YTpi"), ("AUTHORIZATION", "")):
        assert status(client, good, other) == status(client, other, good) == 400


def test_several_cookies(house: House, client: TestClient, ann: int) -> None:
    mine = f"matinee={cookie_of(house, ann)}"
    assert status(client, ("Cookie", f"a=b; {mine}; theme=dark")) == 200
    assert status(client, ("Cookie", "a=b"), ("Cookie", mine)) == 200
    assert status(client, ("Cookie", mine), ("Cookie", mine)) == 200
    assert status(client, ("Cookie", mine), ("Cookie", "matinee=another")) == 400
    assert status(client, ("Cookie", "matinee=another"), ("Cookie", mine)) == 400
    assert status(client, ("Cookie", f"{mine}; __Host-matinee=another")) == 200
    assert status(client, ("Cookie", f"Matinee={mine[8:]}")) == 401


def test_a_cookie_and_a_header_that_disagree(house: House, client: TestClient, ann: int) -> None:
    ben = house.person("Ben", Role.VIEWER)
    for header in (house.token(ann, "a"), house.key(ann, Role.VIEWER)):
        (good,) = header.items()
        assert status(client, good, ("Cookie", f"matinee={cookie_of(house, ann)}")) == 200
        assert status(client, good, ("Cookie", f"matinee={cookie_of(house, ben)}")) == 400
        assert status(client, good, ("Cookie", "matinee=unknown")) == 200
    assert (
        status(client, ("Authorization", "Bearer x"), ("Cookie", f"matinee={cookie_of(house, ann)}")) == 401
    )
    assert status(client, ("Authorization", "Basic YTpi"), ("Cookie", "matinee=unknown")) == 401


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"bearer\t",
        b"Basic YTpi",
        b"Basic",
        b"Bearer " + b"x" * 1_000_000,
        b"Bearer matinee_" + b"x" * 1_000_000,
        b"x" * 1_000_000,
        b"Bearer " + b"." * 100_000,
        b"Bearer \xff\xfe\xf0\x9f",
        b"Bearer a.\xc3\x28.b",
        "Bearer matinee_Zoë".encode(),
        b"Bearer matinee_\xff",
        b"Bearer null",
        b"Bearer a.b.c",
        b"Bearer a.b.c.d.e",
        b"Digest username=ann",
    ],
)
def test_an_authorization_header_that_is_none(client: TestClient, value: bytes) -> None:
    assert status(client, (b"authorization", value)) == 401
    assert status(client, (b"authorization", value), path="/health") == 200


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"matinee",
        b"matinee=",
        b"matinee=;matinee=;;;",
        b"matinee=\xff\xfe",
        "matinee=Zoë".encode(),
        b'matinee="\\377\\"',
        b"matinee=" + b"x" * 1_000_000,
        b";" * 100_000,
        b"=" * 100_000,
    ],
)
def test_a_cookie_that_is_none(client: TestClient, value: bytes) -> None:
    assert status(client, (b"cookie", value)) == 401
    assert status(client, (b"cookie", value), path="/health") == 200


@options(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_header_that_was_not_given_out_lets_a_caller_in(client: TestClient, data: st.DataObject) -> None:
    text = st.binary(max_size=200).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
    scheme = st.sampled_from(
        [b"", b"Bearer ", b"Bearer matinee_", b"Bearer e30.e30.", b"bearer  ", b"Basic "]
    )
    cookie = st.sampled_from([b"", b"matinee=", b"__Host-matinee=", b"matinee=a; matinee="])
    authorization = st.tuples(st.just(b"authorization"), st.builds(bytes.__add__, scheme, text))
    cookies = st.tuples(st.just(b"cookie"), st.builds(bytes.__add__, cookie, text))
    headers = data.draw(st.lists(st.one_of(authorization, cookies), max_size=4))
    assert status(client, *headers) in (400, 401)


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def test_a_clock_that_jumps_by_an_hour(house: House, client: TestClient, ann: int) -> None:
    """A token of an hour and a half outlives one jump; back in time nothing is valid that was not before."""
    clock = Clock()
    house.service.door = Door(house.service.settings, clock=clock)
    (short,), (long,) = (
        house.token(ann, "short", seconds=900).items(),
        house.token(ann, "long", seconds=5_400).items(),
    )
    assert status(client, short) == status(client, long) == 200
    clock.now += 3_600
    assert (status(client, short), status(client, long)) == (401, 200)
    clock.now -= 7_200
    assert status(client, short) == status(client, long) == 200
    clock.now += 3_600 + 901
    assert (status(client, short), status(client, long)) == (401, 200)
    clock.now += 5_400
    assert status(client, long) == 401


def test_a_secret_that_changed(house: House, settings: Settings, ann: int) -> None:
    (token,), (key,) = house.token(ann, "a").items(), house.key(ann, Role.VIEWER).items()
    secrets.path_of(settings).unlink()
    secrets.ensure(settings)
    app = create_app(settings)  # as after a restart
    client = TestClient(app, base_url="http://192.0.2.1", client=("192.0.2.7", 1))
    assert (status(client, token), status(client, key)) == (401, 200)
    app.state.service.close()


def test_with_two_secrets_tokens_of_both_are_valid(
    house: House, client: TestClient, settings: Settings, ann: int
) -> None:
    secret = secrets.load(settings)
    (first,) = house.token(ann, "a").items()
    for rotations, expected in ((1, 200), (2, 401)):
        secrets.rotate(settings)
        with house.service.database.write() as connection:
            accounts.move_door(connection)
        (new,) = house.token(ann, f"b{rotations}").items()
        assert (status(client, first), status(client, new)) == (expected, 200)
    assert len(secrets.load(settings)) == 2 and secret[0] not in secrets.load(settings)


def test_two_secrets_as_settings(house: House, settings: Settings, ann: int) -> None:
    secret = secrets.load(settings)[0].value.decode()
    (old,) = house.token(ann, "a").items()
    found = []
    for before in (secret, ""):
        changed = replace(settings, secret_key="another-secret-of-32-bytes-or-more", secret_key_before=before)
        app = create_app(changed)
        client = TestClient(app, base_url="http://192.0.2.1", client=("192.0.2.7", 1))
        found.append(status(client, old))
        app.state.service.close()
    assert found == [200, 401]


@pytest.mark.parametrize("content", [b"short\n", b"\xff" * 40, None], ids=["short", "not text", "a folder"])
def test_a_secret_that_cannot_be_read_is_a_fault_that_says_so(
    settings: Settings, content: bytes | None
) -> None:
    house = House(settings)
    ann = house.person("Ann", Role.ADMIN)
    headers, key = house.token(ann, "a"), house.key(ann, Role.VIEWER)
    path = secrets.path_of(settings)
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    app = create_app(settings)
    client = TestClient(
        app, base_url="http://192.0.2.1", client=("192.0.2.7", 1), raise_server_exceptions=False
    )
    for one in (headers, key, {}):
        answer = client.get("/movies", headers=one)
        assert answer.status_code == 503 and "log" in answer.json()["detail"], answer.text
        assert str(path) not in answer.text
    assert client.get("/health").status_code == 200
    house.service.close()
    app.state.service.close()


def test_the_last_admin_stays_one(house: House, ann: int) -> None:
    house.person("Ben", Role.EDITOR)
    database = house.service.database
    with database.write() as connection, pytest.raises(Conflict, match="last admin"):
        accounts.set_role(connection, ann, Role.EDITOR)
    with database.write() as connection, pytest.raises(Conflict, match="last admin"):
        accounts.remove(connection, ann)
    with database.write() as connection:
        accounts.set_role(connection, ann, Role.ADMIN)
    cara = house.person("Cara", Role.ADMIN)
    with database.write() as connection:
        accounts.set_role(connection, ann, Role.VIEWER)
    with database.write() as connection, pytest.raises(Conflict, match="last admin"):
        accounts.remove(connection, cara)


def test_a_bearer_of_two_people_is_none(client: TestClient, house: House, ann: int) -> None:
    both = house.token(ann, "a")["Authorization"][7:] + " " + house.token(ann, "b")["Authorization"][7:]
    assert status(client, next(iter(bearer(both).items()))) == 401

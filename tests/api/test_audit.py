"""The audit: a row for every change, in its transaction; and nothing secret in logs, errors or rows."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.changes import Changes
from app.api.idempotency import Once
from app.config import Settings
from app.main import create_app
from app.repository import movies
from app.user import Role
from tests.house import OUTSIDE, House

SAFE = {"GET", "HEAD", "OPTIONS"}
UNAUDITED = {
    "POST /recommendations": "it changes nothing",
    "POST /recommendations/batch": "it changes nothing",
    "POST /recommendations/together": "it changes nothing",
    "POST /hook/{secret}": "what a player reports is the person's own, as their ratings are",
    "POST /token": "a login gives no right that was not there",
    "POST /token/revoke": "it ends a login of the caller's own",
    "POST /session": "it extends a session of the caller's own",
    "POST /login": "a login gives no right that was not there",
    "POST /logout": "it ends a login of the caller's own",
    "POST /invite/{token}": "its address holds a secret; it writes its row itself",
    "DELETE /users/{user_id}": "it writes its row itself, which outlasts it",
}
TIMES = re.compile(r"in [0-9.]+ ms")
LETTERBOXD = b"Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Toy Story,1995,https://boxd.it/1,4.5\n"


@pytest.fixture
def engine_client(engine_settings: Settings) -> Iterator[TestClient]:
    app = create_app(engine_settings)
    yield TestClient(app)
    app.state.service.close()


def rows(client: TestClient, headers: dict[str, str] | None = None, **params: Any) -> list[dict[str, Any]]:
    """Oldest first."""
    listed: list[dict[str, Any]] = client.get(
        "/audit", params={"limit": 1000} | params, headers=headers
    ).json()
    return listed[::-1]


def done(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["action"], row["target"]) for row in rows]


def test_every_change_goes_into_the_audit_or_says_why_not() -> None:
    wrong = []
    for route in create_app().routes:
        methods = getattr(route, "methods", None) or set()
        if methods <= SAFE:
            continue
        kinds = {type_of(one) for one in route.dependant.dependencies}  # type: ignore[attr-defined]
        names = {f"{method} {route.path}" for method in methods - SAFE}  # type: ignore[attr-defined]
        if not kinds & {Once, Changes} and not names <= UNAUDITED.keys():
            wrong += sorted(names)
    assert wrong == []


def type_of(dependant: Any) -> Any:
    """What a dependency gives its endpoint."""
    return getattr(dependant.call, "__annotations__", {}).get("return")


def test_with_the_door_closed_too(engine_client: TestClient) -> None:
    client = engine_client
    movie = client.post("/movies", json={"title": "Alien"}, headers={"X-Request-ID": "r-1"}).json()["id"]
    client.put(f"/movies/{movie}", json={"title": "Aliens"})
    user = client.post("/users", json={"name": "Ann"}).json()["id"]
    client.patch(f"/users/{user}", json={"name": "Anna"})
    task = client.post("/imports").json()["task_id"]
    client.post(f"/tasks/{task}/cancel")
    client.post(f"/tasks/{task}/retry")
    rebuild = client.post("/recommender/rebuild").json()["task_id"]
    client.delete(f"/movies/{movie}")
    found = rows(client)
    assert done(found) == [
        ("create_movie", f"/movies/{movie}"),
        ("replace_movie", f"/movies/{movie}"),
        ("create_user", f"/users/{user}"),
        ("rename_user", f"/users/{user}"),
        ("start_import", f"/imports/{task}"),
        ("cancel_task", f"/tasks/{task}/cancel"),
        ("retry_task", f"/tasks/{task}"),
        ("rebuild", f"/recommender/rebuild/{rebuild}"),
        ("delete_movie", f"/movies/{movie}"),
    ]
    assert {(row["user_id"], row["key"], row["address"]) for row in found} == {(None, None, "testclient")}
    assert found[0]["request_id"] == "r-1"


def test_a_change_that_fails_leaves_no_row(client: TestClient) -> None:
    assert client.put("/movies/99999999", json={"title": "None"}).status_code == 404
    client.post("/users", json={"name": "Ann"})
    assert client.post("/users", json={"name": "ann"}).status_code == 409
    assert done(rows(client))[1:] == []


def test_a_row_that_cannot_be_written_undoes_the_change(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("app.repository.audit.add", fail)
    before = client.get("/movies?limit=1000").json()
    new: Any = {"json": {"title": "A"}}
    assert client.post("/movies", **new).status_code == 500
    assert client.post("/movies", **new, headers={"Idempotency-Key": "k"}).status_code == 500
    assert client.put(f"/movies/{before[0]['id']}", **new).status_code == 500
    assert client.get("/movies?limit=1000").json() == before


def test_a_repetition_writes_no_row(client: TestClient) -> None:
    for _ in range(3):
        client.post("/movies", json={"title": "A"}, headers={"Idempotency-Key": "k"})
    assert len(rows(client)) == 1


def test_who_it_was(house: House) -> None:
    client, ann, ben = house.client(), house.person("Ann", Role.ADMIN), house.person("Ben", Role.EDITOR)
    as_ann, as_key = house.token(ann, "a"), house.key(ben, Role.EDITOR)
    client.post("/movies", json={"title": "A"}, headers=as_ann)
    client.post("/movies", json={"title": "B"}, headers=as_key)
    found = rows(client, as_ann)
    prefix = as_key["Authorization"].removeprefix("Bearer ")[:16]
    assert [(row["user_id"], row["key"]) for row in found] == [(ann, None), (ben, prefix)]
    assert {row["address"] for row in found} == {OUTSIDE[0]}
    assert all(row["request_id"] for row in found)
    assert [row["user_id"] for row in rows(client, as_ann, user_id=ben)] == [ben]


def test_a_persons_own_ratings_are_not_in_it_and_those_of_others_have_no_score(house: House) -> None:
    client, ann, ben = house.client(), house.person("Ann", Role.ADMIN), house.person("Ben", Role.EDITOR)
    as_ann, as_ben = house.token(ann, "a"), house.token(ben, "b")
    own = {"movie_id": 1, "user_id": ben, "score": 4.5}
    assert client.post("/ratings", json=own, headers=as_ben).status_code == 201
    assert client.delete(f"/ratings/{ben}/1", headers=as_ben).status_code == 204
    upload = {"content": LETTERBOXD, "headers": as_ben | {"Content-Type": "text/csv"}}
    task = client.post(f"/imports?user_id={ben}", **upload).json()["task_id"]
    assert client.post("/ratings", json=own | {"user_id": ann}, headers=as_ben).status_code == 201
    assert client.delete(f"/ratings/{ann}/1", headers=as_ben).status_code == 204
    found = rows(client, as_ann)
    target = f"/ratings/{ann}/1"
    assert done(found) == [
        ("start_import", f"/imports/{task}"),
        ("put_rating", target),
        ("delete_rating", target),
    ]
    assert "4.5" not in str(found)


def test_with_the_door_closed_ratings_are_a_persons_own(client: TestClient) -> None:
    client.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": 4})
    client.delete("/ratings/7/1")
    assert rows(client) == []


def test_it_is_read_page_by_page_newest_first(client: TestClient) -> None:
    ids = [client.post("/movies", json={"title": str(n)}).json()["id"] for n in range(5)]
    seen, url = [], "/audit?limit=2"
    while url:
        page = client.get(url)
        seen += [row["target"] for row in page.json()]
        url = page.headers["Link"].partition(">")[0].removeprefix("<") if "Link" in page.headers else ""
    assert seen == [f"/movies/{movie}" for movie in reversed(ids)]
    assert client.get("/audit?cursor=nonsense").status_code == 400


class TestSecrecy:
    """A walk of requests with everything that no log line, error body or row of the audit may hold."""

    RATING = 3.5
    TITLE = "a-marked-title"

    def walk(self, house: House) -> tuple[list[str], str]:
        """The secrets that were used, and the text of every refusal."""
        client, ann, ben = house.client(), house.person("Ann", Role.ADMIN), house.person("Ben", Role.VIEWER)
        as_ann, as_ben = house.token(ann, "a"), house.token(ben, "b")
        key = client.post("/keys", json={"name": "k"}, headers=as_ann | {"Idempotency-Key": "k"}).json()
        link = client.post(f"/users/{ben}/invite", headers=as_ann | {"Idempotency-Key": "k"}).json()["path"]
        as_key, rating = {"Authorization": f"Bearer {key['key']}"}, {"movie_id": 1, "user_id": ben}
        password = "my-very-own-password"
        wrong = as_ann["Authorization"][:-2] + "xx"
        calls: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/keys", {"json": {"name": "k"}, "headers": as_ann | {"Idempotency-Key": "k"}}),
            ("POST", f"/users/{ben}/invite", {"headers": as_ann | {"Idempotency-Key": "k"}}),
            ("GET", "/movies", {"headers": {"Authorization": wrong}}),
            ("GET", "/movies", {"headers": {"Authorization": f"Basic {password}"}}),
            ("GET", "/movies", {"headers": {"Authorization": f"Bearer {key['key']} {password}"}}),
            ("GET", "/movies", {"headers": {"Cookie": f"matinee={password}"}}),
            ("GET", "/keys", {"headers": as_key}),
            ("PUT", link, {"headers": as_ann}),
            ("DELETE", link, {"headers": as_ann}),
            ("POST", "/movies", {"json": {"title": self.TITLE}, "headers": as_key}),
            ("POST", "/ratings", {"json": rating | {"score": self.RATING}, "headers": as_ben}),
            (
                "POST",
                "/ratings",
                {"json": rating | {"score": self.RATING, "user_id": ann}, "headers": as_ben},
            ),
            ("POST", "/ratings", {"json": rating | {"score": f"{self.RATING}"}, "headers": as_ben}),
            ("POST", "/ratings", {"json": rating | {"score": self.RATING + 0.07}, "headers": as_ben}),
            ("POST", "/keys", {"json": {"name": "k", "password": password}, "headers": as_ann}),
            ("POST", "/keys", {"content": f'{{"name": "{password}', "headers": as_ann}),
            ("DELETE", f"/keys/{key['prefix']}", {"headers": as_ann}),
            ("GET", "/movies", {"headers": as_key}),
        ]
        refusals = []
        for method, path, options in calls:
            answer = client.request(method, path, **options)
            refusals.append(answer.text if not answer.is_success else "")
        assert sum(map(bool, refusals)) >= len(calls) - 3
        sent = [link.removeprefix("/invite/"), key["key"], key["key"].split("_", 2)[2], password, wrong]
        sent += [header["Authorization"].removeprefix("Bearer ") for header in (as_ann, as_ben)]
        return sent, "\n".join(refusals)

    def test_nothing_of_it_is_in_a_log_line_an_error_body_or_the_audit(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        logging.getLogger("matinee").setLevel(logging.DEBUG)
        secrets, refusals = self.walk(house)
        house.service.key_uses.close()
        lines = "\n".join(
            record.getMessage() + logging.Formatter().format(record)
            for record in caplog.records
            if not record.name.startswith(("httpx", "httpcore"))  # of the test's own client
        )
        with house.service.database.read() as connection:
            noted = str(connection.exec_driver_sql("SELECT * FROM audit").all())
        for secret in (*secrets, str(self.RATING), self.TITLE):
            word = re.compile(rf"(?<![\d.]){re.escape(secret)}(?!\d)")  # not within a time, as 1573.52 is
            assert not word.search(refusals), f"{secret} in the body of an error"
            assert not word.search(TIMES.sub("", lines)), f"{secret} in a line of the log"
            assert not word.search(noted), f"{secret} in the audit"

    def test_an_invitation_is_not_in_the_lines_of_the_server(
        self, client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level(logging.INFO, "uvicorn.access")
        monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)
        line = ("127.0.0.1:1", "GET", "/films/invite/the-secret?next=/", "1.1", 200)
        logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *line)
        assert "the-secret" not in caplog.text
        assert '"GET /films/invite/...?next=/ HTTP/1.1" 200' in caplog.text

    def test_nor_after_a_fault_of_the_program(
        self, house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level(logging.DEBUG)

        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError("a fault")

        ann = house.person("Ann", Role.ADMIN)
        as_ann = house.token(ann, "a")
        monkeypatch.setattr(movies, "create", fail)
        client = TestClient(
            house.app, base_url="http://192.0.2.1", client=OUTSIDE, raise_server_exceptions=False
        )
        failed = client.post("/movies", json={"title": self.TITLE}, headers=as_ann)
        assert failed.status_code == 500
        lines = "\n".join(logging.Formatter().format(record) for record in caplog.records)
        for secret in (as_ann["Authorization"].removeprefix("Bearer "), self.TITLE):
            assert secret not in failed.text
            assert secret not in lines

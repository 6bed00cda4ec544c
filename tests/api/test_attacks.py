"""What a caller tries who wants more than their own: none of it works, and none of it fails the service."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from app.repository import accounts, sessions, tasks
from app.repository import ratings as rating_rows
from app.tasks.worker import run_next
from app.user import Role
from tests.house import House
from tests.server import poll

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def ann(house: House) -> int:
    return house.person("Ann", Role.VIEWER)


@pytest.fixture
def ben(house: House) -> int:
    return house.person("Ben", Role.EDITOR)


@pytest.fixture
def client(house: House, ann: int) -> TestClient:
    """Ann's."""
    client = TestClient(
        house.app, base_url="http://192.0.2.1", client=("192.0.2.7", 1), raise_server_exceptions=False
    )
    client.headers.update(house.token(ann, "a"))
    return client


def rated(house: House, user_id: int) -> int:
    with house.service.database.read() as connection:
        return len(rating_rows.of_user(connection, user_id))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ratings.csv%0A"),
        ("GET", "/status%0A"),
        ("GET", "/system%0A"),
        ("POST", "/movies%0A"),
        ("POST", "/users%0A"),
        ("POST", "/recommender/rebuild%0A"),
    ],
)
def test_a_path_that_ends_in_a_line_feed_does_not_pass_for_another(
    client: TestClient, method: str, path: str
) -> None:
    """The pattern of a route ends in `$`, which matches before a line feed too."""
    body = {"title": "A"} if "movies" in path else {"name": "A"}
    answer = client.request(method, path, json=body if method == "POST" else None)
    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/users/{ben}/ratings/",
        "//users/{ben}/ratings",
        "/users//{ben}/ratings",
        "/users/%2e%2e/users/{ben}/ratings",
        "/static/../users/{ben}/ratings",
        "/static/%2e%2e/users/{ben}/ratings",
        "/static%2f..%2fratings.csv",
        "/%75sers/{ben}/ratings",
        "/users/0{ben}/ratings",
        "/users/+{ben}/ratings",
        "/users/{ben}%20/ratings",
        "/users/{ben}%0A/ratings",
        "/users/{ben}.0/ratings",
        "/users/{ann}%2F..%2F{ben}/ratings",
        "/users/{ben}/ratings?user_id={ann}",
        "/users/{ann}/ratings?user_id={ben}",
        "/ratings?user_id={ann}&user_id={ben}",
        "/ratings?user_id={ben}&user_id={ann}",
        "/ratings?user_id=0{ben}",
        "/ratings?user%5Fid={ben}",
        "/ratings?user_id=",
        "/ratings?user_id[]={ann}",
        "/ratings?USER_ID={ann}",
        "/recommendations/{ben}?user_id={ann}",
    ],
)
def test_no_way_to_write_an_address_shows_what_is_anothers(
    house: House, client: TestClient, ann: int, ben: int, path: str
) -> None:
    rating = {"user_id": ben, "movie_id": 1, "score": 5}
    client.post("/ratings", json=rating, headers=house.token(ben, "b")).raise_for_status()
    for method in ("GET", "HEAD"):
        answer = client.request(method, path.format(ann=ann, ben=ben))
        assert answer.status_code in (400, 403, 404, 405, 422), (answer.status_code, answer.text)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON",
        "application/json ;charset=utf-8",
        "application/json; charset=utf-16",
        " application/json",
        "application/vnd.ratings+json",
        "application/vnd.ratings+JSON ; a=b",
        "text/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        None,
    ],
)
def test_no_content_type_lets_a_viewer_rate_as_another(
    house: House, client: TestClient, ann: int, ben: int, kind: str | None
) -> None:
    body = json.dumps({"user_id": ben, "movie_id": 1, "score": 5})
    headers = {} if kind is None else {"Content-Type": kind}
    for query in ("", f"?user_id={ann}"):
        for encoded in (body.encode(), body.encode("utf-16")):
            answer = client.post(f"/ratings{query}", content=encoded, headers=headers)
            assert answer.status_code in (400, 403, 415, 422), answer.text
    assert rated(house, ben) == 0


@pytest.mark.parametrize(
    "body",
    [
        '{{"user_id": {ben}, "user_id": {ann}, "movie_id": 1, "score": 5}}',
        '{{"user_id": {ann}, "user_id": {ben}, "movie_id": 1, "score": 5}}',
        '{{"user_id": {ann}, "us\\u0065r_id": {ben}, "movie_id": 1, "score": 5}}',
        '{{"user_id": {ben}.0, "movie_id": 1, "score": 5}}',
        '{{"user_id": "{ben}", "movie_id": 1, "score": 5}}',
        '{{"user_id": [{ann}, {ben}], "movie_id": 1, "score": 5}}',
        '{{"user_id": true, "movie_id": 1, "score": 5}}',
        '{{"user_id": null, "movie_id": 1, "score": 5}}',
        '[{{"user_id": {ben}, "movie_id": 1, "score": 5}}]',
        '{{"body": {{"user_id": {ben}, "movie_id": 1, "score": 5}}}}',
        '"user_id={ben}"',
        "",
        "{{",
        "[" * 100_000,
    ],
)
def test_no_form_of_a_body_lets_a_viewer_rate_as_another(
    house: House, client: TestClient, ann: int, ben: int, body: str
) -> None:
    text = body if body.startswith("[[") else body.format(ann=ann, ben=ben)
    for query in ("", f"?user_id={ann}"):
        answer = client.post(f"/ratings{query}", content=text, headers=JSON)
        assert answer.status_code in (201, 200, 400, 403, 422), answer.text
    assert rated(house, ben) == rated(house, 1) == 0


def test_a_body_that_no_endpoint_reads_does_no_harm(client: TestClient, ann: int) -> None:
    for content in (b"", b"{", b"[" * 100_000, b"\xff\xfe\x00"):
        for method, path in (("GET", f"/ratings?user_id={ann}"), ("DELETE", f"/ratings/{ann}/1")):
            answer = client.request(method, path, content=content, headers=JSON)
            assert answer.status_code in (200, 204, 404), (method, content[:9], answer.text)


def test_an_upload_is_not_read_into_memory_to_find_an_id(client: TestClient, ann: int) -> None:
    taken = 0

    def blocks() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(2_000):
            taken += 1 << 14
            yield b" " * (1 << 14)

    answer = client.post(f"/imports?user_id={ann}", content=blocks(), headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:matinee:invalid")


def test_an_import_is_for_one_person(client: TestClient, ann: int, ben: int) -> None:
    letterboxd = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Heat,1995,https://boxd.it/1,4\n"
    headers = {"Content-Type": "text/csv", "X-Filename": "ratings.csv"}
    for query in (f"?user_id={ann}&user_id={ben}", f"?user_id={ben}&user_id={ann}"):
        assert client.post(f"/imports{query}", content=letterboxd, headers=headers).status_code == 422, query
    for query in (f"?user_id={ben}", ""):
        assert client.post(f"/imports{query}", content=letterboxd, headers=headers).status_code == 403, query
    ratings = f"user_id,movie_id,score\n{ben},1,5\n"
    assert client.post(f"/imports?user_id={ann}", content=ratings, headers=headers).status_code == 403
    assert client.post(f"/imports?user_id={ann}", content=letterboxd, headers=headers).status_code == 202


def test_a_task_that_was_started_with_the_door_closed_is_no_viewers(house: House, client: TestClient) -> None:
    with house.service.database.write() as connection:
        tasks.create(connection, "rebuild_model", {}, now=time.time(), task_id="unowned")
    for method, path in (
        ("GET", "/tasks/unowned"),
        ("GET", "/tasks/unowned/events"),
        ("POST", "/tasks/unowned/cancel"),
        ("POST", "/tasks/unowned/retry"),
        ("GET", "/imports/unowned"),
        ("GET", "/imports/unowned/rejects"),
        ("POST", "/imports/unowned/undo"),
        ("GET", "/recommender/rebuild/unowned"),
        ("GET", "/activity/unowned"),
    ):
        assert client.request(method, path).status_code == 403, path
    assert client.get("/tasks").json() == []


def test_a_key_of_a_viewer_undoes_no_import_of_several_people(
    house: House, client: TestClient, ben: int
) -> None:
    """Its owner, an editor, started it."""
    key, csv = house.key(ben, Role.VIEWER), {"Content-Type": "text/csv"}
    ratings = f"user_id,movie_id,score\n{ben},1,5\n7,1,5\n"
    started = client.post("/imports", content=ratings, headers=house.token(ben, "b") | csv).json()["task_id"]
    assert client.get(f"/tasks/{started}", headers=key).status_code == 200
    for path in (f"/tasks/{started}/cancel", f"/tasks/{started}/retry", f"/imports/{started}/undo"):
        assert client.post(path, headers=key).status_code == 403, path


def test_a_key_of_a_viewer_changes_no_task_but_imports(house: House, client: TestClient, ben: int) -> None:
    """A merge of another person into its owner names the owner, and takes the ratings of the other."""
    key = house.key(ben, Role.VIEWER)
    with house.service.database.write() as connection:
        merge = {"user_id": ben, "from_id": 7}
        task = tasks.create(connection, "rebuild_model", merge, now=time.time(), owner=ben)
    for path in (f"/tasks/{task.id}/cancel", f"/tasks/{task.id}/retry", f"/imports/{task.id}/undo"):
        assert client.post(path, headers=key).status_code == 403, path


def test_a_viewer_cancels_and_undoes_what_they_imported(house: House, client: TestClient, ann: int) -> None:
    headers = {"Content-Type": "text/csv", "X-Filename": "ratings.csv"}
    letterboxd = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Heat,1995,https://boxd.it/1,4\n"
    started = client.post(f"/imports?user_id={ann}", content=letterboxd, headers=headers).json()["task_id"]
    while run_next(house.service.database, house.service.settings):
        pass
    undo = client.post(f"/imports/{started}/undo")
    assert undo.status_code == 202, undo.text
    assert client.post(f"/tasks/{undo.json()['task_id']}/cancel").status_code == 200


def test_what_if_takes_no_person(client: TestClient, ben: int) -> None:
    for body in ({"ratings": [], "user_id": ben}, {"ratings": [{"movie_id": 1, "score": 5, "user_id": ben}]}):
        assert client.post("/recommendations", json=body).status_code == 422


def test_an_idempotency_key_of_another_replays_nothing(
    house: House, client: TestClient, ann: int, ben: int
) -> None:
    cara = house.person("Cara", Role.EDITOR)
    body = {"user_id": ann, "movie_id": 1, "score": 5}
    once = {"Idempotency-Key": "k"}
    answers = [
        client.post("/ratings", json=body, headers=headers | once)
        for headers in (house.token(ben, "b"), house.token(cara, "c"), house.key(ben, Role.EDITOR), {})
    ]
    assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
    assert client.post("/ratings", json=body | {"user_id": ben}, headers=once).status_code == 403


def test_a_tag_of_anothers_list_is_no_answer(house: House, client: TestClient, ann: int, ben: int) -> None:
    as_ben = house.token(ben, "b")
    client.post("/ratings", json={"user_id": ben, "movie_id": 1, "score": 5}, headers=as_ben)
    for path in (f"/recommendations/{ben}", f"/users/{ben}/ratings", f"/ratings?user_id={ben}"):
        tag = client.get(path, headers=as_ben).headers["ETag"]
        for condition in (tag, "*"):
            assert client.get(path, headers={"If-None-Match": condition}).status_code == 403
        assert client.get(path.replace(str(ben), str(ann)), headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("how", ["the session ends", "the token expires", "another role"])
def test_a_stream_of_events_ends_with_the_right_to_read_it(
    house: House, client: TestClient, ann: int, ben: int, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("app.api.tasks.LOOK_AGAIN", 0.05)
    now = [time.time()]
    clock = SimpleNamespace(time=lambda: now[0], monotonic=time.monotonic)
    monkeypatch.setattr("app.api.tasks.time", clock)
    database, feed = house.service.database, house.app.state.feed
    with database.write() as connection:
        task = tasks.create(connection, "rebuild_model", {}, now=now[0], owner=ann)
    headers = house.token(ben, "b") if how == "another role" else {}
    with ThreadPoolExecutor(1) as pool:
        stream = pool.submit(client.get, f"/tasks/{task.id}/events", headers=headers)
        poll(lambda: feed._subscriptions)
        assert not stream.done()
        with database.write() as connection:
            if how == "the session ends":
                sessions.end(connection, "a")
            elif how == "another role":
                accounts.set_role(connection, ben, Role.VIEWER)
            else:
                now[0] += 3601
        assert stream.result(20).status_code == 200

"""Idempotency keys on every POST (IETF draft-ietf-httpapi-idempotency-key-header-07)."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app

CSV = b"user_id,movie_id,score\n7,1,5\n"
TYPE = {"Content-Type": "text/csv"}
KEY = {"Idempotency-Key": "k"}
WITHOUT = {
    "/recommendations": "it changes nothing",
    "/recommendations/batch": "it changes nothing",
    "/recommendations/together": "it changes nothing",
    "/hooks": "a repetition is refused: the address is not kept (test_hooks.py)",
    "/lists": "a repetition is refused: the addresses are not kept (test_lists.py)",
    "/hook/{secret}": "a repetition is recognised by the event",
    "/token": "a session more does no harm, and its tokens are not kept",
    "/token/revoke": "a repetition changes nothing",
    "/keys": "a repetition is refused: the key is not kept (test_keys.py)",
    "/users/{user_id}/invite": "a repetition is refused: the link is not kept (test_keys.py)",
}

Prepare = Callable[[TestClient, Callable[[], None]], tuple[str, dict[str, Any]]]


def _imported(client: TestClient, run_tasks: Callable[[], None]) -> str:
    task_id = str(client.post("/imports").json()["task_id"])
    run_tasks()
    return task_id


def _cancelled(client: TestClient) -> str:
    task_id = str(client.post("/imports").json()["task_id"])
    client.post(f"/tasks/{task_id}/cancel")
    return task_id


def _with_ratings(client: TestClient) -> int:
    for user_id in (7, 8):
        client.post("/ratings", json={"movie_id": 1, "user_id": user_id, "score": 4.5})
    return 8


def _trained(client: TestClient, run_tasks: Callable[[], None]) -> int:
    client.post("/imports")
    client.post("/recommender/rebuild")
    run_tasks()
    return int(client.get("/models").json()[0]["version"])


REQUESTS: dict[str, Prepare] = {
    "/movies": lambda *_: ("/movies", {"json": {"title": "Twice?"}}),
    "/ratings": lambda *_: ("/ratings", {"json": {"movie_id": 1, "user_id": 7, "score": 4.5}}),
    "/ratings/batch": lambda *_: (
        "/ratings/batch",
        {"json": {"ratings": [{"movie_id": 1, "user_id": 7, "score": 4.5}]}},
    ),
    "/movies/{movie_id}/merge": lambda client, _: (
        "/movies/1/merge",
        {"json": {"from": client.post("/movies", json={"title": "Twin"}).json()["id"]}},
    ),
    "/recommendations/dump": lambda *_: ("/recommendations/dump", {}),
    "/users": lambda *_: ("/users", {"json": {"name": str(uuid.uuid4())}}),
    "/imports": lambda *_: ("/imports", {"content": CSV, "headers": TYPE}),
    "/imports/{task_id}/undo": lambda client, run: (f"/imports/{_imported(client, run)}/undo", {}),
    "/users/{user_id}/merge": lambda client, _: (
        f"/users/{_with_ratings(client)}/merge",
        {"json": {"from": 7}},
    ),
    "/tasks/{task_id}/undo": lambda client, run: (f"/tasks/{_imported(client, run)}/undo", {}),
    "/recommender/rebuild": lambda *_: ("/recommender/rebuild", {}),
    "/models/{version}/activate": lambda client, run: (f"/models/{_trained(client, run)}/activate", {}),
    "/tasks/{task_id}/cancel": lambda client, _: (
        f"/tasks/{client.post('/imports').json()['task_id']}/cancel",
        {},
    ),
    "/tasks/{task_id}/retry": lambda client, _: (f"/tasks/{_cancelled(client)}/retry", {}),
}


@pytest.fixture
def engine_client(engine_settings: Settings) -> Iterator[TestClient]:
    """The application on each engine in turn."""
    app = create_app(engine_settings)
    yield TestClient(app, raise_server_exceptions=False)
    app.state.service.close()


def send(client: TestClient, path: str, request: dict[str, Any]) -> Any:
    return client.post(path, **request | {"headers": request.get("headers", {}) | KEY})


def state(client: TestClient) -> list[Any]:
    """Everything that a POST may change."""
    paths = ("/ratings?user_id=7", "/movies?query=twice", "/users", "/tasks", "/models")
    return [client.get(path).json() for path in paths]


def test_every_post_goes_by_keys_or_says_why_not() -> None:
    posts = {path for path, methods in create_app().openapi()["paths"].items() if "post" in methods}
    assert posts == REQUESTS.keys() | WITHOUT.keys()


@pytest.mark.parametrize("route", REQUESTS)
def test_a_repetition_gets_the_whole_first_answer_and_changes_nothing(
    client: TestClient, run_tasks: Callable[[], None], route: str
) -> None:
    path, request = REQUESTS[route](client, run_tasks)
    first = send(client, path, request)
    assert first.is_success
    run_tasks()
    after = state(client)
    again = send(client, path, request)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    for name in ("location", "retry-after", "content-type"):
        assert again.headers.get(name) == first.headers.get(name)
    assert state(client) == after


@pytest.mark.parametrize("route", REQUESTS)
def test_an_answer_under_a_key_is_the_answer_without_one(
    client: TestClient, run_tasks: Callable[[], None], route: str
) -> None:
    path, request = REQUESTS[route](client, run_tasks)
    keyed = send(client, path, request)
    run_tasks()
    path, request = REQUESTS[route](client, run_tasks)
    bare = client.post(path, **request)
    assert bare.is_success, bare.text
    assert keyed.json().keys() == bare.json().keys()
    if route != "/ratings":  # the second one replaces
        assert keyed.status_code == bare.status_code
    for name in ("location", "retry-after", "content-type"):
        assert (name in keyed.headers) == (name in bare.headers)


def test_a_delayed_repetition_does_not_beat_a_newer_rating(client: TestClient) -> None:
    first = {"movie_id": 1, "user_id": 7, "score": 1}
    client.post("/ratings", json=first, headers=KEY)
    client.post("/ratings", json=first | {"score": 5}, headers={"Idempotency-Key": "newer"})
    late = client.post("/ratings", json=first, headers=KEY)
    assert (late.status_code, late.json()["score"], late.headers["idempotent-replayed"]) == (201, 1, "true")
    assert client.get("/ratings?user_id=7").json()[0]["score"] == 5


def test_a_delayed_repetition_of_a_cancel_does_not_stop_a_retry(client: TestClient) -> None:
    task_id = client.post("/imports").json()["task_id"]
    client.post(f"/tasks/{task_id}/cancel", headers=KEY)
    client.post(f"/tasks/{task_id}/retry", headers=KEY)
    assert client.post(f"/tasks/{task_id}/cancel", headers=KEY).json()["status"] == "cancelled"
    assert client.get(f"/tasks/{task_id}").json()["status"] == "queued"


def test_a_key_belongs_to_one_payload_but_not_to_its_spelling(client: TestClient) -> None:
    headers = KEY | {"Content-Type": "application/json"}
    client.post("/movies", content=b'{"title": "A", "year": 1990}', headers=headers)
    same = client.post("/movies", content=b'{"year":1990,"title":" A "}', headers=headers)
    assert (same.status_code, same.headers["idempotent-replayed"]) == (201, "true")
    other = client.post("/movies", json={"title": "B"}, headers=KEY)
    assert (other.status_code, "new key" in other.json()["detail"]) == (422, True)
    assert client.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": 1}, headers=KEY).is_success


def test_a_refused_request_leaves_its_key_free(client: TestClient) -> None:
    rating = {"movie_id": 5_000_000, "user_id": 7, "score": 4}
    assert client.post("/ratings", json=rating, headers=KEY).status_code == 404
    assert client.post("/ratings", json=rating | {"movie_id": 1}, headers=KEY).status_code == 201


@pytest.mark.parametrize("route", ["/movies", "/ratings"])
def test_many_at_once_are_one_change(engine_client: TestClient, route: str) -> None:
    path, request = REQUESTS[route](engine_client, lambda: None)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(engine_client, path, request), range(24)))
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert answers[0].status_code == 201
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(engine_client.get("/movies?query=twice").json()) == (route == "/movies")


@pytest.mark.parametrize("header", ["Idempotency-Key", "X-Task-Id"])
@pytest.mark.parametrize("path", ["/imports", "/recommender/rebuild"])
def test_a_repeated_request_gets_the_same_answer(
    client: TestClient, run_tasks: Callable[[], None], path: str, header: str
) -> None:
    first = client.post(path, headers={header: "abc"})
    run_tasks()
    again = client.post(path, headers={header: "abc"})
    assert again.json() == first.json()
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(client.get("/tasks").json()) == 1
    assert client.post(path, headers={header: "other"}).json() != first.json()


def test_a_quoted_key_is_the_bare_one(client: TestClient) -> None:
    first = client.post("/recommender/rebuild", headers={"Idempotency-Key": '"a b"'})
    again = client.post("/recommender/rebuild", headers={"Idempotency-Key": "a b"})
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()


def test_one_key_for_another_payload_is_refused(client: TestClient) -> None:
    headers = TYPE | {"Idempotency-Key": "k"}
    assert client.post("/imports", content=CSV, headers=headers).status_code == 202
    assert client.post("/imports", content=CSV, headers=headers).status_code == 202
    for content, query in ((CSV + b"8,1,5\n", ""), (CSV, "?dry_run=true")):
        refused = client.post(f"/imports{query}", content=content, headers=headers)
        assert refused.status_code == 422
        assert "new key" in refused.json()["detail"]
    assert len(client.get("/tasks").json()) == 1


@pytest.mark.parametrize("key", [b"", b"x" * 256, b'""', "\u00e9".encode("latin-1")])
def test_an_unusable_key_is_refused(client: TestClient, key: bytes) -> None:
    answer = client.post("/recommender/rebuild", headers={b"Idempotency-Key": key})
    assert answer.status_code == 400
    assert client.get("/tasks").json() == []


@pytest.mark.parametrize("path", ["/imports", "/recommender/rebuild"])
def test_fifty_at_once_are_one_task(client: TestClient, path: str) -> None:
    def post(_: int) -> tuple[int, str]:
        content, extra = (CSV, TYPE) if path == "/imports" else (None, {})
        while True:
            answer = client.post(path, content=content, headers={"Idempotency-Key": "k"} | extra)
            if answer.status_code != 409:
                return answer.status_code, answer.text
            assert answer.headers["retry-after"] == "1"

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(post, range(50)))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 202
    assert len(client.get("/tasks").json()) == 1

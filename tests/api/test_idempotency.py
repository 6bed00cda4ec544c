"""Idempotency keys on both requests that start a task (IETF draft-ietf-httpapi-idempotency-key-header-07)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

CSV = b"user_id,movie_id,score\n7,1,5\n"
TYPE = {"Content-Type": "text/csv"}


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

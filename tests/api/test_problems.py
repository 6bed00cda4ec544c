"""Errors are problem details, whatever went wrong; callers from elsewhere are kept out."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app


def test_unknown_path_and_method_say_what_to_do(client: TestClient) -> None:
    missing = client.get("/nothing")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert missing.json()["request_id"] == missing.headers["x-request-id"]
    wrong = client.put("/ratings")
    assert wrong.status_code == 405
    assert wrong.headers["allow"]
    assert "use" in wrong.json()["detail"]


def test_a_crash_is_a_problem_without_its_secrets(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.repository.movies.top", lambda *_a, **_k: 1 / 0)
    answer = client.get("/movies/top")
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert answer.json()["request_id"]


def test_a_sane_request_id_is_kept_and_another_replaced(client: TestClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert client.get("/health", headers={"X-Request-ID": "a b"}).headers["x-request-id"] != "a b"


def test_a_large_body_is_refused_with_and_without_its_length(client: TestClient) -> None:
    large = b'{"title": "' + b"x" * 2_000_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    assert client.post("/movies", content=large, headers=headers).status_code == 413
    assert client.post("/movies", content=iter([large]), headers=headers).status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost:9999"}, 200),
        ({"Host": "[::1]:8000"}, 200),
    ],
)
def test_only_known_hosts_are_answered(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.get("/movies/top", headers=headers).status_code == status
    assert client.get("/health", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://evil.example", 403), ("null", 403), ("http://localhost:3000", 403), (None, 201)],
)
def test_a_foreign_page_changes_nothing(client: TestClient, origin: str | None, status: int) -> None:
    headers = {"Origin": origin} if origin else {}
    assert client.post("/movies", json={"title": "A"}, headers=headers).status_code == status
    assert client.get("/movies", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("192.0.2.7", 403),
        ("::ffff:192.0.2.7", 403),
        ("fe80::1%eth0", 403),
    ],
)
def test_only_this_machine_is_let_in(settings: Settings, address: str, status: int) -> None:
    client = TestClient(create_app(settings), client=(address, 4711))
    answer = client.get("/movies/top")
    assert answer.status_code == status
    assert client.get("/health").status_code == 200
    if status == 403:
        for missing in ("matinee user add", "MATINEE_HOST", "MATINEE_ALLOWED_HOSTS"):
            assert missing in answer.json()["detail"]


def test_health_needs_no_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("app.service.open_database", refuse)
    assert TestClient(create_app(settings)).get("/health").json() == {"status": "ok"}

"""Errors are problem details, whatever went wrong; callers from elsewhere are kept out."""

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.errors import AppError, problem_types
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


def classes(one: type[AppError] = AppError) -> set[type[AppError]]:
    """All errors of the application, but those that the tests make."""
    found = set.union({one}, *map(classes, one.__subclasses__()))
    return {kind for kind in found if kind.__module__.startswith("app.")}


def test_every_type_of_problem_has_its_place_with_cause_and_remedy(client: TestClient) -> None:
    page = client.get("/docs/problems")
    assert page.status_code == 200
    parts = re.split(r'<section class="reference" id="', page.text)[1:]
    found = {part.partition('"')[0]: html.unescape(part) for part in parts}
    assert {kind.type for kind in classes()} == set(found) == {kind.type for kind in problem_types()}
    assert len(found) == len(parts)
    for kind in problem_types():
        assert "cause" in vars(kind) and "remedy" in vars(kind), kind
        for text in (kind.title, str(kind.status), f"urn:matinee:{kind.type}", kind.cause, kind.remedy):
            assert text in found[kind.type], (kind, text)


def test_a_type_means_one_status(client: TestClient) -> None:
    for kind in classes():
        own = next(one for one in problem_types() if one.type == kind.type)
        assert kind.status == own.status or kind.__name__.startswith("_"), kind


@pytest.mark.parametrize("root", ["", "/films"])
def test_a_problem_leads_to_its_place(settings: Settings, root: str) -> None:
    client = TestClient(create_app(replace(settings, root_path=root)), raise_server_exceptions=False)
    for path in ("/nothing", "/movies/424242", "/movies?limit=x", "/movies?lim=1", "/tasks/x"):
        answer = client.get(path)
        name = answer.json()["type"].removeprefix("urn:matinee:")
        assert answer.links["help"]["url"] == f"{root}/docs/problems#{name}"
        place, _, anchor = answer.links["help"]["url"].partition("#")
        assert f'id="{anchor}"' in client.get(place).text
    assert client.put("/movies").links["help"]["url"].endswith("#method-not-allowed")
    assert "link" not in client.get("/movies/1").headers


def test_a_problem_names_the_parameter_and_the_index(client: TestClient) -> None:
    for path, expected in (
        ("/users?id=1&id=x&id=3&id=-1", [("id", 1), ("id", 3)]),
        ("/movies?limit=0&year_from=x", [("limit", None), ("year_from", None)]),
        ("/movies/x", [("movie_id", None)]),
    ):
        answer = client.get(path)
        assert answer.status_code == 422
        items = answer.json()["errors"]
        assert sorted((item["parameter"], item.get("index")) for item in items) == sorted(expected)
        assert not any("pointer" in item for item in items)
    assert "id[1]: " in client.get("/users?id=1&id=x").json()["detail"]


def test_a_problem_points_into_a_body(client: TestClient) -> None:
    body = {"ratings": [{"movie_id": 1, "score": 5}, {"movie_id": 2, "score": 9}]}
    answer = client.post("/recommendations", json=body)
    assert [item["pointer"] for item in answer.json()["errors"]] == ["#/ratings/1/score"]

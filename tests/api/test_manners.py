"""Queries, Accept and headers as every address takes them: what it does not know is refused by name."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.edge.accepts import takes
from app.api.edge.routes import RouteTable
from app.config import Settings
from app.main import create_app

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def described(client: TestClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of all that is described."""
    for path, item in client.get("/openapi.json").json()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def filled(path: str) -> str:
    return path.replace("{prefix}", "matinee_0").replace("{", "").replace("}", "").replace("_id", "_1")


def test_an_unknown_parameter_is_refused_everywhere(client: TestClient) -> None:
    for method, path, operation in described(client):
        known = sorted(p["name"] for p in operation.get("parameters", ()) if p.get("in") == "query")
        answer = client.request(method, f"{filled(path)}?limmit=3&{'&'.join(f'{n}=1' for n in known)}")
        assert answer.status_code == 422, (method, path, answer.text)
        assert [error["parameter"] for error in answer.json()["errors"]] == ["limmit"]
        there = ", ".join(known) if known else "none"
        assert there in answer.json()["detail"], (method, path)


def test_one_that_is_no_list_is_given_once(client: TestClient) -> None:
    for query in ("limit=3&limit=4", "limit=3&limit=3", "limit=x&l%69mit=3"):
        answer = client.get(f"/movies?{query}")
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["parameter"]) == (422, "limit")
        assert "2 times" in error["detail"]
    assert client.get("/users?id=1&id=2").status_code == 200


def test_pages_and_files_take_parameters_of_others(client: TestClient) -> None:
    for path in ("/", "/movie/1", "/docs", "/docs/problems", "/static/api.js", "/openapi.json", "/login"):
        assert client.get(f"{path}?utm_source=a&utm_source=b").status_code == 200


def test_an_unknown_address_stays_a_404_and_a_wrong_method_a_405(client: TestClient) -> None:
    assert client.get("/nothing?a=b").status_code == 404
    assert client.delete("/movies?a=b").status_code == 405
    assert client.options("/movies?a=b").status_code == 204
    assert client.head("/movies?a=b").status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "query=" + "a" * 10_000,
        "query=" + "%00" * 3_000,
        "a" * 10_000 + "=1",
        "&".join(["limit=1"] * 1_300),
        "&".join(f"a{n}=1" for n in range(1_300)),
        "%" * 10_000,
        "=" * 10_000,
        "query=%ff%fe",
        "query=%ED%A0%80",
        "query=%00",
        "%00=1",
        "limit=%EF%BC%91" * 500,
    ],
    ids=lambda query: query[:12],
)
def test_a_long_or_strange_query_is_refused_in_few_words(client: TestClient, query: str) -> None:
    answer = client.get(f"/movies?{query}")
    if query not in ("query=%ff%fe", "query=%ED%A0%80"):  # read as U+FFFD, which no title has
        assert answer.status_code == 422, answer.text
        assert len(answer.content) < 25_000
    assert answer.status_code < 500


@pytest.mark.parametrize(
    "text", [r"\u0000", r"A\u0000B", r"\ud800", r"A\udfffB", r"\ud83d", r"\u001f", r"A\u0085B"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/movies"), ("PUT", "/movies/1"), ("PATCH", "/movies/1")]
)
def test_a_title_with_a_nul_or_half_a_letter(client: TestClient, method: str, path: str, text: str) -> None:
    for field in ("title", "genre"):
        other = "" if field == "title" else '"title": "A", '
        body = f'{{{other}"{field}": "{text}"}}'
        answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, answer.text
        assert json.loads(answer.content)["errors"]
    assert client.get("/movies/1").json()["title"] == "Toy Story"


@pytest.mark.parametrize(
    "name", ["Host", "Content-Type", "Content-Length", "Idempotency-Key", "X-Request-ID", "Origin"]
)
def test_a_header_that_means_one_thing_is_there_once(client: TestClient, name: str) -> None:
    first, second = {"Host": ("testserver", "evil.example")}.get(name, ("2", "3"))
    for pair in ((first, second), (second, first), (first, first)):
        headers = [(name.encode(), one.encode()) for one in pair]
        answer = client.post("/ratings", content=b"{}", headers=headers)
        assert answer.status_code == 400, answer.text
        assert name.lower() in answer.json()["detail"]


def test_headers_that_are_lists_may_come_in_several_lines(client: TestClient) -> None:
    tag = client.get("/movies/1").headers["etag"]
    accept = [(b"accept", b"text/csv"), (b"accept", b"application/json")]
    assert client.get("/movies/1", headers=accept).status_code == 200
    conditions = [(b"if-none-match", b'"a"'), (b"if-none-match", tag.encode())]
    assert client.get("/movies/1", headers=conditions).status_code == 304


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/movies", "application/json", 200),
        ("/movies", "APPLICATION/JSON;q=0.1", 200),
        ("/movies", "application/*", 200),
        ("/movies", "text/html, */*;q=0.1", 200),
        ("/movies", BROWSER, 200),
        ("/movies", "nonsense", 200),
        ("/movies", "", 200),
        ("/movies", "text/csv", 406),
        ("/movies", "application/xml, text/*", 406),
        ("/movies", "*/*, application/json;q=0", 406),
        ("/movies", "application/json;q=0.000", 406),
        ("/movies/1", "application/problem+json", 406),
        ("/health", "text/plain", 406),
        ("/recommendations/7", "text/csv", 406),
        ("/tasks/x/events", "application/json", 406),
        ("/movies.csv", "text/csv", 200),
        ("/movies/424242", "application/json", 404),
        ("/", "text/html", 200),
        ("/", "application/json", 200),
        ("/static/api.js", "text/css", 200),
    ],
)
def test_an_accept_that_excludes_the_answer_is_a_406(
    client: TestClient, path: str, accept: str, status: int
) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == status, answer.text
    if status == 406:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:matinee:not-acceptable"
        assert client.head(path, headers={"Accept": accept}).status_code == 406


def test_what_answers_with_nothing_is_not_asked_for_a_type(client: TestClient) -> None:
    headers = {"Accept": "text/csv"}
    client.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": 5})
    assert client.delete("/ratings/7/1", headers=headers).status_code == 204


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (";", True),
        (",,;q=1,/,", False),
        ("application/json;q=x", True),
        ("application/json;q=", True),
        ("application/json;q=-1", False),
        ("application/json;q=nan", False),
        ("a/b/c, \x00", True),
        ("*/json", False),
    ],
)
def test_an_accept_header_in_no_form_is_read_as_far_as_it_can_be(text: str, taken: bool) -> None:
    assert takes(text, ("application/json",)) is taken


def test_every_described_operation_knows_its_query(settings: Settings) -> None:
    """Its parameters as the description has them, lists among them."""
    app = create_app(settings)
    table, paths = RouteTable(app.routes), app.openapi()["paths"]
    declared = {(method, path): one for path, methods in table.resources() for method, one in methods.items()}
    for path, item in paths.items():
        for method, operation in item.items():
            expected = {
                p["name"]: any(o.get("type") == "array" for o in (p["schema"], *p["schema"].get("anyOf", ())))
                for p in operation.get("parameters", ())
                if p.get("in") == "query"
            }
            assert declared[method.upper(), path].query == expected, (method, path)
    app.state.service.close()

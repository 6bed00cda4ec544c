"""What lets a request in: by route and method, never by what the caller writes into its headers."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.edge import Edge
from app.api.edge.manners import Manner, by_method
from app.api.edge.routes import RouteTable
from app.config import Settings
from app.main import create_app

LARGE = b'{"title": "' + b"x" * 2_000_000 + b'"}'
JSON = {"Content-Type": "application/json"}


def ask(app: Any, **changes: Any) -> dict[str, Any]:
    """The head of the answer to a GET /movies/top as a server on a socket would pass it on."""
    return answer_of(app, **changes)[0]


def answer_of(app: Any, **changes: Any) -> tuple[dict[str, Any], bytes]:
    """Head and body."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/movies/top",
        "raw_path": b"/movies/top",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost:8000")],
        "client": ("127.0.0.1", 4711),
        "server": ("127.0.0.1", 8000),
    } | changes
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0], b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize("headers", [{}, {"Prefer": "x"}, {"Prefer": "wait=1"}])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/movies"), ("PUT", "/movies/x.csv"), ("PUT", "/movies/events")]
)
def test_every_body_has_its_limit(
    client: TestClient, method: str, path: str, headers: dict[str, str]
) -> None:
    chunked = iter([LARGE[:1_000_000], LARGE[1_000_000:]])
    answer = client.request(method, path, content=chunked, headers=JSON | headers)
    assert answer.status_code == 413
    assert client.request(method, path, content=LARGE, headers=JSON | headers).status_code == 413


def test_what_is_asked_with_a_preference_is_counted(client: TestClient) -> None:
    for _ in range(5):
        client.get("/movies", headers={"Prefer": "wait=1"})
    client.put("/movies/x.csv", json={"title": "A"}, headers={"Prefer": "x"})
    client.get("/health")
    counts = client.get("/status").json()["requests"]["by_status"]
    assert (counts["2xx"], counts["4xx"]) == (5, 1)


def test_the_manners_that_endpoints_declare() -> None:
    table = RouteTable(create_app(Settings(embedded_worker=False)).routes)
    declared = {
        (method, path): found.manner
        for path, methods in table.resources()
        for method, found in methods.items()
        if found.manner is not by_method(method)
    }
    assert declared == {
        ("GET", "/health"): Manner.PROBES,
        ("GET", "/health/live"): Manner.PROBES,
        ("GET", "/metrics"): Manner.PROBES,
        ("GET", "/movies.csv"): Manner.STREAMS,
        ("GET", "/ratings.csv"): Manner.STREAMS,
        ("GET", "/imports/{task_id}/rejects"): Manner.STREAMS,
        ("GET", "/users/{user_id}/export"): Manner.STREAMS,
        ("GET", "/users/{user_id}/letterboxd.csv"): Manner.STREAMS,
        ("GET", "/users/{user_id}/marks.csv"): Manner.STREAMS,
        ("GET", "/tasks/{task_id}/result"): Manner.STREAMS,
        ("POST", "/hook/{secret}"): Manner.UPLOADS,
        ("POST", "/recommendations/together"): Manner.READS,
        ("POST", "/imports"): Manner.UPLOADS,
        ("POST", "/recommendations"): Manner.READS,
        ("POST", "/recommendations/batch"): Manner.READS,
        ("POST", "/token"): Manner.LOGS_IN,
        ("POST", "/login"): Manner.LOGS_IN,
        ("POST", "/invite/{token}"): Manner.LOGS_IN,
        ("GET", "/tasks/{task_id}"): Manner.WAITS,
        ("GET", "/tasks/{task_id}/events"): Manner.FOLLOWS,
    }


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/health", "GET, HEAD, OPTIONS"),
        ("/movies", "GET, HEAD, OPTIONS, POST"),
        ("/movies/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/movies/top", "GET, HEAD, OPTIONS"),
        ("/ratings/1/1", "DELETE, OPTIONS"),
        ("/imports", "GET, HEAD, OPTIONS, POST"),
        ("/static/api.js", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_path_says_all_that_it_allows(client: TestClient, path: str, allow: str) -> None:
    options = client.options(path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allow, b"")
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - set(allow.split(", ")):
        wrong = client.request(method, path)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, allow)
        assert allow in wrong.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/movies", "/movies/1", "/movies.csv", "/status", "/static/api.js"])
def test_head_answers_as_get_without_a_body(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    varying = {"x-request-id", "content-length"} if path == "/status" else {"x-request-id"}
    assert set(head.headers) == set(get.headers)
    assert {n: v for n, v in head.headers.items() if n not in varying} == {
        n: v for n, v in get.headers.items() if n not in varying
    }
    assert client.head("/movies/424242").status_code == 404


def test_head_of_a_stream_does_not_begin_it(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def blocks(_database: Any) -> Iterator[str]:
        for number in range(5):
            made.append(number)
            yield "x" * 100

    monkeypatch.setattr("app.imports.export.movies_csv", blocks)
    assert client.head("/movies.csv").status_code == 200
    assert len(made) <= 1
    assert len(client.get("/movies.csv").content) == 500


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP"])
@pytest.mark.parametrize("client", [("127.0.0.1", 1), None], ids=["socket", "unix"])
def test_what_a_proxy_passes_on_is_refused(
    settings: Settings, name: str, client: tuple[str, int] | None
) -> None:
    app = create_app(settings)
    here: dict[str, Any] = {
        "client": client,
        "server": ("127.0.0.1", 8000) if client else ("/run/m.sock", None),
    }
    host = (b"host", b"localhost")
    assert ask(app, **here, headers=[host])["status"] == 200
    assert ask(app, **here, headers=[host, (name.lower().encode(), b"unknown")])["status"] == 403


@pytest.mark.parametrize("address", ["unknown", "", "_hidden", "testclient", "localhost", "127.0.0.1:80"])
def test_an_address_that_is_none_is_refused(settings: Settings, address: str) -> None:
    assert ask(create_app(settings), client=(address, 0))["status"] == 403


def test_an_in_process_client_is_known_by_its_transport(settings: Settings) -> None:
    app = create_app(settings)
    host = [(b"host", b"testserver")]
    in_process = {"server": ["testserver", 80], "headers": host}
    assert ask(app, client=("testclient", 50000), **in_process)["status"] == 200
    assert ask(app, client=None, **in_process)["status"] == 200
    httpx_ = {"client": ("127.0.0.1", 123), "server": ("testserver", None)}  # ASGITransport
    assert ask(app, **httpx_, headers=host)["status"] == 200
    assert ask(app, client=("unknown", 0), server=("/run/matinee.sock", None))["status"] == 403
    assert ask(app, headers=host)["status"] == 421  # the name alone is no proof
    assert ask(app, client=None, headers=host)["status"] == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://testserver"}, 201),
        ({"Origin": "http://testserver:80", "Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Origin": "http://testserver:81"}, 403),
        ({"Origin": "https://testserver"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 201),
        ({"Host": "localhost:8000", "Origin": "http://localhost:3000"}, 403),
        ({"Host": "localhost:8000", "Origin": "http://testserver"}, 403),
        ({"Host": "[::1]:8000", "Origin": "http://[::1]:8000"}, 201),
        ({"Host": "movies.example", "Origin": "https://movies.example"}, 201),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver:x"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_only_a_page_of_this_origin_changes_something(
    settings: Settings, headers: dict[str, str], status: int
) -> None:
    app = create_app(Settings(settings.data_dir, embedded_worker=False, allowed_hosts="movies.example"))
    client = TestClient(app)
    assert client.post("/movies", json={"title": "A"}, headers=headers).status_code == status
    assert client.get("/health", headers=headers).status_code == 200
    app.state.service.close()


def test_every_answer_carries_the_headers(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.repository.movies.top", lambda *_a, **_k: 1 / 0)
    for path, status in (("/movies", 200), ("/nope", 404), ("/movies/top", 500), ("/movies?limit=x", 422)):
        answer = client.get(path, headers={"X-Request-ID": "abc"})
        assert answer.status_code == status
        assert answer.headers["x-request-id"] == "abc"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/", headers={}).headers["cache-control"] == "no-store"  # its own word


def test_a_crash_is_logged_once_under_its_id(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.repository.movies.top", lambda *_a, **_k: 1 / 0)
    with caplog.at_level(logging.INFO):
        client.get("/movies/top", headers={"X-Request-ID": "abc-7"})
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "abc-7" in errors[0].getMessage()


def test_a_client_that_hangs_up_leaves_no_error(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(settings)
    parts = iter([{"type": "http.request", "body": b"{", "more_body": True}])
    gone = {"type": "http.disconnect"}

    def call(path: str) -> None:
        async def receive() -> Any:
            return next(parts, gone)

        async def send(message: Any) -> None:
            raise AssertionError(message)

        scope = {"method": "POST", "path": path, "headers": [(b"host", b"localhost")]}
        asyncio.run(app(BASE | scope, receive, send))

    for path in ("/movies", "/imports"):
        call(path)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    app.state.service.close()


BASE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "scheme": "http",
    "root_path": "",
    "query_string": b"",
    "client": ("127.0.0.1", 4711),
    "server": ("127.0.0.1", 8000),
}


def test_the_stack_is_one_list(settings: Settings) -> None:
    """Nothing but the edge stands before the routes."""
    assert [repr(m.cls) for m in create_app(settings).user_middleware] == [repr(Edge)]

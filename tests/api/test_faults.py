"""Faults of the surroundings and of the program: what the caller gets, and what stands in the log."""

import asyncio
import contextlib
import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.repository import ratings
from app.storage import Database
from app.storage.failures import explain, failure, trace
from app.storage.prepared import Prepared
from app.storage.schema import metadata

WRITES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/movies", {"title": "Film"}),
    ("PUT", "/movies/1", {"title": "Film"}),
    ("DELETE", "/movies/1", None),
    ("POST", "/ratings", {"movie_id": 1, "user_id": 1, "score": 4}),
    ("DELETE", "/ratings/7/2", None),
    ("POST", "/recommender/rebuild", None),
    ("POST", "/imports", None),
)


@pytest.fixture
def api(engine_settings: Settings) -> Iterator[TestClient]:
    rated = create_app(engine_settings)
    TestClient(rated).post("/ratings", json={"movie_id": 2, "user_id": 7, "score": 4})
    rated.state.service.close()
    app = create_app(engine_settings)
    client = TestClient(app)
    client.get("/movies/1")  # the database is open, but has no connection that writes
    yield client
    app.state.service.close()


def engine_of(api: TestClient) -> sa.Engine:
    engine: sa.Engine = api.app.state.service.database.engine  # type: ignore[attr-defined]
    return engine


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def every_write_is(status: int, says: str, api: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    for method, path, body in WRITES:
        caplog.clear()
        answer = api.request(method, path, json=body) if body else api.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert says in answer.json()["detail"]
        (line,) = errors(caplog)
        assert answer.headers["x-request-id"] in line.getMessage()
        assert "\n" not in line.getMessage()
        assert not line.exc_info
    assert api.get("/recommendations/7").status_code == 200


def make_read_only(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "checkout", lambda dbapi, *_: dbapi.execute("PRAGMA query_only=ON"))
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.execute(sa.text("SELECT current_database()")).scalar()
        connection.execute(sa.text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    engine.dispose()


def test_a_database_that_is_read_only(api: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    make_read_only(engine_of(api))
    every_write_is(503, "cannot be written", api, caplog)


@pytest.mark.parametrize("engine_settings", ["sqlite"], indirect=True)
@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_a_full_disk(
    api: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = code
            raise error

    def run(prepared: Prepared, connection: sa.Connection, **values: Any) -> Any:
        refuse(connection, None, prepared.compiled(connection, values)[0])
        return as_ever(prepared, connection, **values)

    as_ever = Prepared.run
    monkeypatch.setattr(Prepared, "run", run)
    sa.event.listen(engine_of(api), "before_cursor_execute", refuse)
    every_write_is(507, "Make room", api, caplog)


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EROFS, 503), (errno.EACCES, 503), (errno.EMFILE, 503)],
)
def test_what_the_system_refuses(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr("app.api.uploads.try_lock", refuse)
    assert client.post("/imports").status_code == status


def test_a_text_that_the_engine_does_not_take(api: TestClient) -> None:
    assert api.get("/activity/%00").status_code in (404, 422)


def test_a_fault_of_the_program_stands_in_the_log_once_with_the_id_of_the_request(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.repository.movies.top", lambda *_a, **_k: 1 / 0)
    answer = TestClient(client.app).get("/movies/top", headers={"X-Request-ID": "abc-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "abc-1")
    assert answer.json()["request_id"] == "abc-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (line,) = errors(caplog)
    assert "abc-1" in line.getMessage()
    assert "ZeroDivisionError" in line.getMessage()
    assert client.get("/status").json()["requests"]["by_status"]["5xx"] == 1


@pytest.mark.parametrize("path", ["/imports", "/movies"])
def test_a_caller_that_hangs_up_is_no_fault(
    client: TestClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"title": ', "more_body": True},
        {"type": "http.disconnect"},
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"text/csv")],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.4"},
    }

    async def receive() -> dict[str, Any]:
        return parts.pop(0) if len(parts) > 1 else parts[0]

    async def send(_message: Any) -> None:
        return

    app: Callable[..., Any] = client.app
    asyncio.run(app(scope, receive, send))
    assert errors(caplog) == []


def test_no_value_stands_in_the_log(database: Database) -> None:
    table = metadata.tables["ratings"]
    row = {"user_id": 987654321, "movie_id": 1, "score": 4.5, "rated_at": 1}
    with pytest.raises(sa.exc.IntegrityError) as caught, database.write() as connection:
        connection.execute(table.insert(), [row])
        connection.execute(table.insert(), [row])
    assert failure(caught.value) is None
    for text in (trace(caught.value), explain(caught.value), str(caught.value).split("DETAIL")[0]):
        assert "987654321" not in text
    assert "test_faults.py" in trace(caught.value)
    with database.read() as connection:
        assert ratings.of_user(connection, 987654321) == []


def test_a_file_may_go_while_the_status_is_read(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: Settings = client.app.state.service.settings  # type: ignore[attr-defined]
    client.get("/status")
    for folder in (settings.uploads_dir, settings.models_dir):
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(3):
            (folder / str(number)).write_bytes(bytes(10))
    scan = os.scandir

    @contextlib.contextmanager
    def vanishing(directory: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scan(directory) as entries:
            found = list(entries)
        (directory / "1").unlink()
        yield iter(found)

    monkeypatch.setattr("os.scandir", vanishing)
    answer = client.get("/status")
    assert answer.status_code == 200
    assert answer.json()["storage"]["uploads_bytes"] == 20

"""Waits for the database: bounded for a request, as long as it takes for a worker."""

import contextlib
import contextvars
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
from fastapi.testclient import TestClient

from app import deadline
from app.config import Settings
from app.errors import Unavailable
from app.repository import movies
from app.storage import Database, brief_writer, open_database, sqlite_connections
from app.storage import database as databases
from app.storage.heartbeat import Heartbeat, read_beat, record_of
from app.storage.locks import WriteLock
from tests.postgres import PostgresServer
from tests.server import poll

Held = Callable[[Settings], AbstractContextManager[None]]
LONGEST = 0.3
RATING = {"movie_id": 1, "user_id": 1, "score": 4}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (databases, brief_writer):
        monkeypatch.setattr(module, "PATIENCE", LONGEST)


@contextlib.contextmanager
def foreign_lock(settings: Settings) -> Iterator[None]:
    """Another program that keeps the database to itself."""
    with contextlib.closing(sqlite3.connect(settings.data_dir / "matinee.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def write_lock_taken(settings: Settings) -> Iterator[None]:
    """Another process that holds the write lock, and does not go on."""
    descriptor = os.open(settings.data_dir / "turn.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


@pytest.mark.parametrize("held", [foreign_lock, write_lock_taken])
@pytest.mark.usefixtures("impatient")
def test_a_write_waits_for_a_while_and_is_refused_with_503(
    client: TestClient, settings: Settings, held: Held
) -> None:
    assert client.post("/ratings", json=RATING).status_code == 201
    with held(settings):
        began = time.monotonic()
        refused = client.post("/ratings", json=RATING | {"score": 1})
        assert time.monotonic() - began < LONGEST + 4
        assert refused.status_code == 503, refused.text
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/users/1/ratings").json()[0]["score"] == 4
        assert client.get("/health/ready").status_code == 200
    assert client.post("/ratings", json=RATING | {"score": 1}).status_code == 200


@pytest.mark.usefixtures("impatient")
def test_every_thread_that_waits_is_refused_in_time_and_the_queue_goes_on(settings: Settings) -> None:
    database, refused, done = open_database(settings), [], []

    def write() -> None:
        began = time.monotonic()
        try:
            with database.write() as connection:
                done.append(movies.create(connection, "One", None, None, now=1.0))
        except Unavailable:
            refused.append(time.monotonic() - began)

    def together(number: int) -> None:
        threads = [threading.Thread(target=write) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    with write_lock_taken(settings):
        together(12)
    assert len(refused) == 12
    assert max(refused) < LONGEST + 4
    together(12)
    assert len(done) == 12
    database.close()


def test_threads_of_a_process_share_the_write_lock_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    ours, theirs, order = WriteLock(tmp_path), WriteLock(tmp_path), list[str]()

    def write(lock: WriteLock, name: str) -> None:
        with lock.hold():
            order.append(name)

    threads: list[threading.Thread] = []

    def wait_in_line(lock: WriteLock, name: str, arrived: int) -> None:
        threads.append(threading.Thread(target=write, args=(lock, name)))
        threads[-1].start()
        if lock is ours:
            poll(lambda: len(ours._queue) == arrived)

    with theirs.hold():
        wait_in_line(ours, "first", 0)
        poll(theirs.has_waiters)
        wait_in_line(ours, "second", 1)
        wait_in_line(ours, "third", 2)
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second", "third"]
    assert ours._held is None


def test_a_worker_waits_out_a_foreign_lock_and_its_heart_beats(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_database(settings).close()
    monkeypatch.setattr(sqlite_connections, "BUSY_MS", 20)
    made, record = list[int](), record_of(settings.data_dir / "runner.lock")

    def work() -> None:
        worker = open_database(settings, durable=False, heartbeat=Heartbeat())
        with worker.exclusive("runner"), worker.write() as connection:
            made.append(movies.create(connection, "Late", None, None, now=1.0).id)
        worker.close()

    thread = threading.Thread(target=work)
    with foreign_lock(settings):
        thread.start()
        first = poll(lambda: read_beat(record))
        poll(lambda: (beat := read_beat(record)) is not None and beat.count > first.count)
        assert not made
    thread.join(10)
    assert len(made) == 1
    assert read_beat(record) is None


@pytest.mark.usefixtures("impatient")
def test_opening_does_not_wait_for_another_process_that_migrates(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, embedded_worker=False)
    descriptor = os.open(tmp_path / "migrate.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(Unavailable):
        open_database(settings)
    os.close(descriptor)
    open_database(settings).close()


def test_a_lock_on_postgresql_is_not_waited_for_without_end(
    postgres: tuple[PostgresServer, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.storage import postgres as engine

    monkeypatch.setattr(engine, "PATIENCE", LONGEST)
    server, template = postgres
    url = server.url(server.create_database(template))
    database: Database = open_database(Settings(data_dir=tmp_path, database_url=url, embedded_worker=False))
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE movies IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable), database.write() as connection:
            movies.create(connection, "Waits", None, None, now=1.0)
    with pytest.raises(Unavailable), database.read() as connection:
        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
        movies.count(connection)
    with database.read() as connection:
        assert movies.count(connection) == 60
    database.close()


def test_a_worker_that_waits_for_postgresql_beats(
    postgres: tuple[PostgresServer, str], tmp_path: Path
) -> None:
    server, template = postgres
    url = server.url(server.create_database(template))
    settings = Settings(data_dir=tmp_path, database_url=url, embedded_worker=False)
    made, record = list[int](), record_of(tmp_path / "runner.lock")

    def work() -> None:
        worker = open_database(settings, durable=False, heartbeat=Heartbeat())
        with worker.exclusive("runner"), worker.write() as connection:
            made.append(movies.create(connection, "Late", None, None, now=1.0).id)
        worker.close()

    thread = threading.Thread(target=work)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE movies IN ACCESS EXCLUSIVE MODE")
        thread.start()
        first = poll(lambda: read_beat(record))
        poll(lambda: (beat := read_beat(record)) is not None and beat.count > first.count + 2)
        assert not made
        other.rollback()
    thread.join(10)
    assert len(made) == 1


def test_what_a_request_has_waited_for_its_place_is_not_waited_again(settings: Settings) -> None:
    store = open_database(settings)
    other = sqlite3.connect(settings.data_dir / "matinee.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def write() -> float:
        deadline.begin(0.1)
        started = time.monotonic()
        with pytest.raises(Unavailable), store.write():
            pass
        return time.monotonic() - started

    assert contextvars.copy_context().run(write) < 3  # of the five seconds for one that has not
    other.close()
    store.close()

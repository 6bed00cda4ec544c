"""PostgreSQL: its addresses, what it refuses, waits and collisions, each made to happen on a server."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count, pairwise, repeat
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.config import Settings
from app.errors import AppError, StorageFull, Unavailable
from app.main import create_app
from app.rating import Rating
from app.repository import movies, ratings
from app.serving.taste import taste_of
from app.storage import Database, open_database, postgres, postgres_connections
from app.storage.failures import Collision, failure
from app.storage.start_failures import advise
from tests.postgres import GUARDED, PostgresServer, raises, run
from tests.server import poll

RATING = {"movie_id": 1, "user_id": 1, "score": 4}


@pytest.fixture
def url(postgres: tuple[PostgresServer, str]) -> Iterator[str]:
    """The address of a migrated database."""
    server, template = postgres
    name = server.create_database(template)
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def database(url: str, tmp_path: Path) -> Iterator[Database]:
    database = open_database(settings_of(url, tmp_path))
    yield database
    database.close()


def settings_of(url: str, folder: Path) -> Settings:
    return Settings(data_dir=folder, database_url=url, embedded_worker=False)


def tried(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT last_value FROM tried").fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_an_address_may_be_written_as_others_write_it(url: str, scheme: str, tmp_path: Path) -> None:
    database = open_database(settings_of(url.replace("postgresql", scheme, 1), tmp_path))
    with database.read() as connection:
        assert movies.count(connection) == 60
    database.close()


def advice(url: str, folder: Path) -> str:
    """What a process that cannot start with that address says."""
    settings = settings_of(url, folder)
    with pytest.raises(Exception) as found:
        open_database(settings)
    line = advise(found.value, settings)
    assert line
    assert "\n" not in line
    assert "wrong" not in line
    return line


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://h:port/x", "is not a URL"),
        ("postgresql:x", "is not a URL"),
        ("postgresql+psycopg2://h/x", "without the name of a driver"),
        ("postgresql://u:wrong@127.0.0.1:1/x?sslmod=require", "Correct the options after the ?"),
        ("postgresql://u:wrong@127.0.0.1:1/x", "Start it, or correct MATINEE_DATABASE_URL"),
        ("postgresql://u:wrong@nowhere.invalid/x", "Correct the host"),
    ],
)
def test_an_address_that_leads_nowhere(url: str, says: str, tmp_path: Path) -> None:
    assert says in advice(url, tmp_path)


def test_a_server_that_does_not_let_in(postgres: tuple[PostgresServer, str], tmp_path: Path) -> None:
    server, _ = postgres
    missing = server.url("missing")
    assert "createdb --encoding UTF8" in advice(missing, tmp_path)
    assert "createuser" in advice(missing.replace("postgres@", "nobody_known@"), tmp_path)
    guarded = server.url("postgres").replace("postgres@", f"{GUARDED}:wrong@")
    assert "Put the right user and password" in advice(guarded, tmp_path)
    assert "password" in advice(guarded.replace(":wrong@", "@"), tmp_path)


def test_a_database_that_cannot_hold_every_title_is_refused(
    postgres: tuple[PostgresServer, str], tmp_path: Path
) -> None:
    server, _ = postgres
    run(server.url("postgres"), "CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    line = advice(server.url("latin"), tmp_path)
    assert "has the encoding LATIN1" in line
    assert "createdb --encoding UTF8" in line
    server.drop_database("latin")


def test_a_server_that_is_too_old_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connections, "OLDEST", 99)
    assert "needs 99 or a newer one" in advice(url, tmp_path)


def test_a_server_that_takes_no_changes_is_said_and_forgotten_once_it_does(
    url: str, database: Database, tmp_path: Path
) -> None:
    name = sa.make_url(url).database
    client = TestClient(create_app(settings_of(url, tmp_path)))
    assert client.post("/ratings", json=RATING).status_code == 201
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    run(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on", end)
    refused = client.post("/ratings", json=RATING)
    assert refused.status_code == 503, refused.text
    assert "standby" in refused.json()["detail"]
    assert "retry-after" in refused.headers
    assert client.get("/movies/1").status_code == 200
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SET default_transaction_read_only = off")
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off".encode())
    assert client.post("/ratings", json=RATING).status_code == 200


def test_a_full_disk_is_a_507(url: str, tmp_path: Path) -> None:
    client = TestClient(create_app(settings_of(url, tmp_path)), raise_server_exceptions=False)
    run(url, *raises("53100"))
    refused = client.post("/ratings", json=RATING)
    assert refused.status_code == StorageFull.status, refused.text
    assert client.get("/movies/1").status_code == 200


def test_a_statement_takes_no_longer_than_its_limit(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "STATEMENT_SECONDS", 0.05)
    database = open_database(settings_of(url, tmp_path))
    with pytest.raises(Unavailable, match=r"within 0\.05 s") as refused, database.read() as connection:
        connection.execute(sa.text("SELECT pg_sleep(20)"))
    assert "Retry-After" in refused.value.headers
    database.close()


def test_a_transaction_of_a_process_that_stands_still_is_ended(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connections, "IDLE_SECONDS", 0.05)
    database = open_database(settings_of(url, tmp_path))
    with pytest.raises(Unavailable), database.write() as connection:
        database.lock_ratings(connection)
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with psycopg.connect(url, autocommit=True) as other:
            poll(lambda: not other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone())
        connection.exec_driver_sql("SELECT 1")
    with database.write() as connection:
        database.lock_ratings(connection)
    database.close()


def test_connections_that_were_needed_at_once_are_kept(url: str, tmp_path: Path) -> None:
    database = open_database(Settings(database_url=url, data_dir=tmp_path))
    opened: list[object] = []
    sa.event.listen(database.engine, "connect", lambda connection, _: opened.append(connection))
    for _ in range(3):
        with ExitStack() as stack:
            seen = [stack.enter_context(database.read()) for _ in range(20)]
            helpers = {one.execute(sa.text("SHOW max_parallel_workers_per_gather")).scalar() for one in seen}
            assert helpers == {"0"}
    assert len(opened) <= 20
    database.close()


def test_connections_that_the_server_has_ended_are_not_used(url: str, database: Database) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(database.read())
    here = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"SELECT pg_terminate_backend(pid) {here}".encode())
        poll(lambda: not other.execute(f"SELECT 1 {here}".encode()).fetchone())
    for transaction in (database.read, database.write) * 3:
        with transaction() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_a_connection_that_ends_as_it_is_opened_is_no_fault_of_the_program(
    url: str, database: Database
) -> None:
    def end(connection: psycopg.Connection[Any], _record: Any) -> None:
        pid = [connection.info.backend_pid]
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", pid)
            poll(lambda: not other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", pid).fetchone())

    database.engine.dispose()
    sa.event.listen(database.engine, "connect", end)
    with pytest.raises(Unavailable), database.read() as connection:
        connection.exec_driver_sql("SELECT 1")


def test_few_waits_for_the_server(database: Database, tmp_path: Path) -> None:
    def rate(user_ids: Iterator[int]) -> None:
        with database.write() as connection:
            ratings.rate(connection, Rating(next(user_ids), 1, 4.0, 1))

    def read() -> None:
        with database.read() as connection:
            taste_of(connection, 7)

    for work, waits in ((partial(rate, count(7)), 5), (partial(rate, repeat(7)), 6), (read, 3)):
        work()  # prepared, and the only connection of the pool
        assert _waits(database, work, tmp_path / "trace") == waits


def _waits(database: Database, work: Callable[[], None], trace: Path) -> int:
    """How often the server is waited for: libpq notes each message with its direction, F to it, B from it."""
    with database.read() as connection:
        server: Any = connection.connection.driver_connection
    with trace.open("w") as file:
        server.pgconn.trace(file.fileno())
        work()
        server.pgconn.untrace()
    directions = re.findall(r"\t([FB])\t", trace.read_text())
    return sum(a == "F" and b == "B" for a, b in pairwise(directions))


def test_of_two_transactions_that_wait_for_each_other_one_is_ended_whole(database: Database) -> None:
    both, ended = threading.Barrier(2), list[AppError]()

    def rename(first: int, second: int) -> None:
        statement = sa.text("UPDATE movies SET title = :title WHERE id = :id")
        try:
            with database.write() as connection:
                connection.execute(statement, {"title": str(first), "id": first})
                both.wait(20)
                connection.execute(statement, {"title": str(first), "id": second})
        except Collision as error:
            ended.append(error)

    threads = [threading.Thread(target=rename, args=ids) for ids in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(ended) == 1
    assert ended[0].headers == {"Retry-After": "1"}
    with database.read() as connection:
        assert len({movies.get(connection, movie_id).title for movie_id in (1, 2)}) == 1


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_a_request_that_collides_is_run_again_whole(url: str, tmp_path: Path, sqlstate: str) -> None:
    client = TestClient(create_app(settings_of(url, tmp_path)))
    run(url, *raises(sqlstate, "(SELECT last_value FROM tried) < 3"))
    rated = client.post("/ratings", json=RATING, headers={"Idempotency-Key": "once"})
    assert rated.status_code == 201, rated.text
    assert tried(url) == 3
    again = client.post("/ratings", json=RATING, headers={"Idempotency-Key": "once"})
    assert again.headers["idempotent-replayed"] == "true"
    assert client.get("/movies/1").json()["rating_count"] == 1


def test_a_request_that_collides_again_and_again_is_refused(url: str, tmp_path: Path) -> None:
    client = TestClient(create_app(settings_of(url, tmp_path)))
    run(url, *raises("40P01"))
    refused = client.put("/users/1/ratings/1", json={"score": 4})
    assert refused.status_code == 503, refused.text
    assert refused.headers["retry-after"] == "1"
    assert tried(url) == 3
    assert client.get("/users/1/ratings").json() == []


def test_neither_a_bulk_of_ratings_nor_a_single_one_waits_for_a_vacuum(url: str, database: Database) -> None:
    with psycopg.connect(url) as vacuum:
        vacuum.execute("LOCK TABLE ratings IN SHARE UPDATE EXCLUSIVE MODE")  # as it takes it
        with database.write() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            database.lock_ratings(connection)
            ratings.put(connection, Rating(1, 1, 4.0, 1))


def test_pending_counts_are_kept_as_they_are(database: Database) -> None:
    """The changes of a large range are a megabyte, which the server would compress for each row."""
    with database.read() as connection:
        query = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'count_changes'::regclass"
        kept = connection.exec_driver_sql(f"{query} AND attname = 'changes'").scalar_one()
    assert kept in ("e", b"e")


def test_what_another_program_writes_beside_a_bulk_is_no_fault_of_the_bulk(
    url: str, database: Database
) -> None:
    from tests.storage.test_engines import some

    run(url, "INSERT INTO ratings (user_id, movie_id, score, rated_at) VALUES (7, 1, 2, 1)")
    bulk = some(2)
    with pytest.raises(Unavailable), database.write() as connection:
        database.put_ratings(connection, bulk, bulk.movie_id == 1)


def test_errors_of_the_server_have_a_meaning_without_a_transaction() -> None:
    assert isinstance(failure(psycopg.errors.DeadlockDetected()), Collision)
    assert isinstance(failure(psycopg.errors.DiskFull()), StorageFull)
    assert isinstance(failure(psycopg.OperationalError("connection refused")), Unavailable)

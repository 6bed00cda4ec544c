"""Opening, migrating and locking on every engine."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from app.config import Settings
from app.errors import ConfigurationError
from app.repository import movies
from app.storage import Database, open_database, sqlite
from app.storage.prepared import Prepared
from app.storage.revisions import MIGRATIONS
from app.storage.schema import counters, metadata
from app.storage.sqlite_connections import use_wal
from tests.postgres import PostgresServer
from tests.server import poll

INDEX = ("title_terms", "ix_title_terms")
"""Of each engine's own kind: `app.storage.title_terms` makes it."""

ADD = Prepared(counters.insert().values(name=sa.bindparam("name"), value=sa.bindparam("value")))
VALUE = Prepared(sa.select(counters.c.value).where(counters.c.name == sa.bindparam("name")))


def test_the_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    with database.read() as connection:
        options = {"include_name": lambda name, *_: not str(name).startswith(INDEX)}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_genres_of_an_older_database_get_their_keys(
    postgres: tuple[PostgresServer, str], tmp_path: Path
) -> None:
    server, _ = postgres
    for url in (server.url(server.create_database()), f"sqlite:///{tmp_path / 'old.db'}"):
        settings = Settings(data_dir=tmp_path / "data", database_url=url)
        engine = sa.create_engine(settings.url)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0005")
            connection.execute(sa.text("UPDATE movies SET genre = 'ÄRZTEFILM|Drama' WHERE id = 1"))
        engine.dispose()
        database = open_database(settings)
        with database.read() as connection:
            assert [movie.id for movie in movies.listing(connection, limit=9, genre="ärztefilm")] == [1]
        database.close()


def test_of_statements_sent_together_an_error_is_raised_and_nothing_stays(database: Database) -> None:
    with database.write() as connection, database.together(connection):
        ADD.run(connection, name="first", value=1)
        ADD.run(connection, name="second", value=2)
        assert VALUE.first(connection, name="second") == (2,)
    with pytest.raises(Exception, match=r"(?i)unique"), database.write() as connection:
        with database.together(connection):
            ADD.run(connection, name="third", value=3)
            ADD.run(connection, name="first", value=4)
        raise AssertionError("the error was not raised")
    with database.read() as connection:
        found = {name: VALUE.first(connection, name=name) for name in ("first", "second", "third")}
    assert found == {"first": (1,), "second": (2,), "third": None}


def test_opening_at_once_from_many_threads_migrates_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: open_database(Settings(data_dir=tmp_path)), range(6)))
    with opened[-1].read() as connection:
        assert movies.count(connection) == 60


def test_many_connections_open_a_new_file_at_once(tmp_path: Path) -> None:
    everybody = threading.Barrier(6)

    def connect(path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        everybody.wait(10)
        use_wal(connection)
        connection.close()

    with ThreadPoolExecutor(6) as pool:
        for number in range(100):
            list(pool.map(connect, [tmp_path / f"{number}.db"] * 6))


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        movies.create(connection, "Half", None, None, now=1.0)
        raise ZeroDivisionError
    with database.read() as connection:
        assert movies.count(connection) == 60


def test_a_reader_sees_one_state_while_others_write(engine_settings: Settings) -> None:
    database, other = open_database(engine_settings), open_database(engine_settings)
    with database.read() as connection:
        before = movies.count(connection)
        with other.write() as writing:
            movies.create(writing, "Meanwhile", None, None, now=1.0)
        assert movies.count(connection) == before
    with database.read() as connection:
        assert movies.count(connection) == before + 1
    database.close()
    other.close()


def test_an_exclusive_lock_is_held_by_one(engine_settings: Settings) -> None:
    one, two = open_database(engine_settings), open_database(engine_settings)
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with two.exclusive("runner"):
            order.append("second")

    with one.exclusive("runner"):
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    one.close()
    two.close()


def test_an_unknown_scheme_is_refused_with_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="MATINEE_DATABASE_URL"):
        open_database(Settings(database_url="mysql://somewhere/x"))


def test_a_database_from_a_newer_release_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    database = open_database(settings)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(ConfigurationError, match="newer release"):
        open_database(settings)


def test_a_worker_writes_through_one_connection_and_counts_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LEAST_ROWS", 1)
    database = open_database(Settings(data_dir=tmp_path), durable=False)
    assert isinstance(database, sqlite.SQLiteDatabase)
    before, used = database._wal_rows, set[int]()
    with database.read(), database.read():  # two more connections, which the pool then has to give
        pass
    for number in range(10):
        with database.write() as connection:
            used.add(id(connection.connection.driver_connection))
            for row in range(30):
                counter = {"name": f"{number} {row}", "value": row}
                connection.execute(counters.insert().values(counter))
        with database.read():
            pass
    assert len(used) == 1
    assert database._wal_rows - before == 300
    database.close()


def test_a_writer_sees_that_another_waits_for_it(engine_settings: Settings) -> None:
    one, two = open_database(engine_settings), open_database(engine_settings)
    order: list[str] = []

    def second() -> None:
        with two.write() as connection:
            two.join_ratings(connection)
            order.append("second")

    thread = threading.Thread(target=second)
    with one.write() as connection:
        one.lock_ratings(connection)
        assert not one.has_waiters()
        assert not one.had_waiters()
        thread.start()
        poll(one.has_waiters)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    with one.write():
        assert not one.has_waiters()
        assert one.had_waiters()
    one.close()
    two.close()

"""Writes of the event loop: each whole by itself, several in a transaction, none holds up the loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from app import brief
from app.config import Settings
from app.errors import NotFound
from app.rating import Rating
from app.repository import keys, ratings
from app.repository.keys import Answer, Key
from app.storage import brief_writer, open_database
from app.storage.database import after_commit
from app.storage.locks import WriteLock
from app.storage.preconditions import precondition
from app.storage.sqlite import SQLiteDatabase
from app.storage.sqlite_copies import file_of

NOWHERE = 424242


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with much to do statements may take long; the next ones would go to threads."""
    monkeypatch.setattr(brief, "SLOW", 60)
    monkeypatch.setattr(brief._Pause, "until", 0.0)


@pytest.fixture
def database(settings: Settings) -> Iterator[SQLiteDatabase]:
    database = open_database(settings)
    assert isinstance(database, SQLiteDatabase)
    yield database
    database.close()


def rate(user_id: int, movie_id: int = 1) -> Callable[[Connection], bool]:
    return lambda connection: ratings.put(connection, Rating(user_id, movie_id, 4.0, 100))


def raters(database: SQLiteDatabase) -> list[int]:
    with database.read() as connection:
        return sorted(rating.user_id for rating in ratings.every(connection))


def run(*writes: Awaitable[Any]) -> list[Any]:
    """What several writes of one event loop return or raise."""

    async def together() -> list[Any]:
        return await asyncio.gather(*writes, return_exceptions=True)

    return asyncio.run(together())


def test_a_transaction_has_all_that_wait_and_each_is_whole(database: SQLiteDatabase) -> None:
    committed = list[str]()
    driver: Any = None

    def fails_late(connection: Connection) -> None:
        nonlocal driver
        driver = connection.connection.driver_connection
        driver.set_trace_callback(committed.append)
        after_commit(connection, lambda: committed.append("of one that fails"))
        ratings.put(connection, Rating(50, 1, 5.0, 100))
        ratings.put(connection, Rating(50, NOWHERE, 5.0, 100))

    def with_a_key(connection: Connection) -> bool:  # by SQLAlchemy
        after_commit(connection, lambda: committed.append("of one that is written"))
        keys.keep(connection, Key("scope", "key", ""), Answer(200, {}, ""))
        return keys.claim(connection, Key("scope", "key", ""), now=1.0)

    works = (fails_late, rate(1), with_a_key, rate(2, NOWHERE), rate(1), rate(3))
    failed, first, claimed, missing, again, third = run(*map(database.write_briefly, works))
    driver.set_trace_callback(None)
    assert isinstance(failed, NotFound)
    assert isinstance(missing, NotFound)
    assert (first, claimed, again, third) == (True, True, False, True)
    assert raters(database) == [1, 3]
    ended = [text for text in committed if text.startswith(("COMMIT", "of one"))]
    assert ended == ["COMMIT", "of one that is written"]


def test_what_comes_during_a_commit_is_in_the_next_one(database: SQLiteDatabase) -> None:
    begun = list[str]()

    async def ask() -> None:
        def first(connection: Connection) -> None:
            driver: Any = connection.connection.driver_connection
            driver.set_trace_callback(begun.append)
            rate(0)(connection)
            for user in range(1, 6):
                others.append(asyncio.ensure_future(database.write_briefly(rate(user))))

        others = list[asyncio.Future[bool]]()
        await database.write_briefly(first)
        await asyncio.gather(*others)

    run(ask())
    transactions = [text for text in begun if text.startswith(("BEGIN", "COMMIT"))]
    assert transactions == ["COMMIT", "BEGIN IMMEDIATE", "COMMIT"]
    assert raters(database) == list(range(6))


def test_the_loop_goes_on_while_another_program_writes(database: SQLiteDatabase, settings: Settings) -> None:
    async def ask() -> bool:
        lock = WriteLock(database.lock_directory(settings))
        with lock.hold():
            writing = asyncio.ensure_future(database.write_briefly(rate(1)))
            for _ in range(3):
                await asyncio.sleep(0)
            later = asyncio.ensure_future(database.write_briefly(rate(2)))
            await asyncio.sleep(0)
            assert not writing.done()
        return all(await asyncio.gather(writing, later))

    assert run(ask()) == [True]
    assert raters(database) == [1, 2]


def test_who_waits_too_long_for_another_program_is_told(
    database: SQLiteDatabase, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brief_writer, "PATIENCE", 0.05)
    with WriteLock(database.lock_directory(settings)).hold():
        errors = run(*map(database.write_briefly, (rate(1), rate(2))))
    assert [type(error) for error in errors] == [brief.TooLong] * 2
    assert run(database.write_briefly(rate(3))) == [True]
    assert raters(database) == [3]


def test_a_program_without_the_lock_does_not_hold_up_the_loop(
    database: SQLiteDatabase, settings: Settings
) -> None:
    foreign = sqlite3.connect(file_of(settings), isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    (error,) = run(database.write_briefly(rate(1)))
    assert isinstance(error, brief.TooLong)
    foreign.execute("ROLLBACK")
    assert run(database.write_briefly(rate(2))) == [True]
    assert raters(database) == [2]
    foreign.close()


@pytest.mark.parametrize("statement", ["INSERT INTO nowhere VALUES (1)", "ROLLBACK"])
def test_after_an_error_of_the_database_nothing_is_stored(database: SQLiteDatabase, statement: str) -> None:
    """SQLite itself rolls back on some errors, such as a full disk."""

    def fails(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute(statement)

    errors = run(*map(database.write_briefly, (rate(1), fails, rate(2))))
    assert [type(error) for error in errors] == [brief.TooLong] * 3
    assert raters(database) == []
    assert run(database.write_briefly(rate(3))) == [True]


def test_a_commit_that_fails_stores_nothing(database: SQLiteDatabase) -> None:
    drivers = list[Any]()

    def refuses_commits(connection: Connection) -> None:
        def judge(action: int, name: str | None, *_: Any) -> int:
            is_commit = (action, name) == (sqlite3.SQLITE_TRANSACTION, "COMMIT")
            return sqlite3.SQLITE_DENY if is_commit else sqlite3.SQLITE_OK

        drivers.append(connection.connection.driver_connection)
        drivers[0].set_authorizer(judge)

    errors = run(*map(database.write_briefly, (rate(1), refuses_commits, rate(2))))
    assert [type(error) for error in errors] == [brief.TooLong] * 3
    assert raters(database) == []
    drivers[0].set_authorizer(None)
    assert run(database.write_briefly(rate(3))) == [True]


def test_another_event_loop_goes_its_own_way(database: SQLiteDatabase) -> None:
    def nested(connection: Connection) -> None:
        thread = threading.Thread(target=lambda: found.extend(run(database.write_briefly(rate(2)))))
        thread.start()
        thread.join()
        rate(1)(connection)

    found = list[Any]()
    run(database.write_briefly(nested))
    assert [type(error) for error in found] == [brief.TooLong]
    assert run(database.write_briefly(rate(3))) == [True]
    assert raters(database) == [1, 3]


def test_a_precondition_is_that_of_its_own_request(database: SQLiteDatabase) -> None:
    def refuse(_connection: Connection) -> None:
        raise NotFound("It has changed.")

    async def with_precondition() -> bool:
        precondition.set(refuse)
        return await database.write_briefly(rate(1))

    refused, written = run(with_precondition(), database.write_briefly(rate(2)))
    assert isinstance(refused, NotFound)
    assert written is True
    assert raters(database) == [2]


def test_what_no_caller_waits_for_any_more_is_not_written(database: SQLiteDatabase) -> None:
    async def ask() -> None:
        gone, stays = (asyncio.ensure_future(database.write_briefly(rate(user))) for user in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        await stays

    run(ask())
    assert raters(database) == [2]


def test_slow_statements_send_the_next_writes_to_threads(
    database: SQLiteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brief, "SLOW", 0)
    first, second = run(database.write_briefly(rate(1))), run(database.write_briefly(rate(2)))
    assert first == [True]
    assert isinstance(second[0], brief.TooLong)

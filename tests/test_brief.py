"""Work in the event loop ends before it takes long."""

import time

import pytest
import sqlalchemy as sa

from app import brief
from app.storage import Database
from app.storage.brief_reader import STEPS
from app.storage.prepared import Prepared
from app.storage.schema import counters

COUNT = Prepared(sa.select(sa.func.count()).select_from(counters))


@pytest.fixture(autouse=True)
def _on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brief, "SLOW", 60.0)


def _in_transaction(database: Database, query: Prepared | sa.TextClause) -> object:
    with database.read() as connection:
        return query.rows(connection) if isinstance(query, Prepared) else connection.execute(query).scalar()


def _endless() -> sa.TextClause:
    steps = f"SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {STEPS}"
    return sa.text(f"WITH RECURSIVE numbers(n) AS ({steps}) SELECT count(*) FROM numbers")


def test_a_short_read_is_done_where_it_is_asked_for_on_sqlite_alone(database: Database) -> None:
    expected = _in_transaction(database, COUNT)
    if database.engine.name == "sqlite":
        assert brief.attempt(lambda: _in_transaction(database, COUNT)) == expected
    else:
        with pytest.raises(brief.TooLong):
            brief.attempt(lambda: _in_transaction(database, COUNT))


def test_a_long_query_is_cut_off_in_the_loop_alone(database: Database) -> None:
    for query in (_endless(), Prepared(_endless())):
        with pytest.raises(brief.TooLong):
            brief.attempt(lambda query=query: _in_transaction(database, query))  # type: ignore[misc]
    assert _in_transaction(database, _endless()) == STEPS
    if database.engine.name == "sqlite":  # and its transaction has ended
        assert brief.attempt(lambda: _in_transaction(database, COUNT))


def test_each_read_in_the_loop_sees_what_was_written_before(database: Database) -> None:
    if database.engine.name != "sqlite":
        pytest.skip("reads in threads")
    value = Prepared(sa.select(counters.c.value).where(counters.c.name == "mine"))
    for number in range(1, 4):
        with database.write() as connection:
            row = {"name": "mine", "value": number}
            connection.execute(database.upsert(counters, "value"), row)
        assert brief.attempt(lambda: _in_transaction(database, value)) == [(number,)]


def test_an_error_in_the_loop_leaves_no_transaction_open(database: Database) -> None:
    if database.engine.name != "sqlite":
        pytest.skip("reads in threads")

    def fail() -> None:
        with database.read() as connection:
            connection.execute(sa.select(counters.c.value)).all()
            raise ValueError

    with pytest.raises(ValueError):
        brief.attempt(fail)
    assert brief.attempt(lambda: _in_transaction(database, COUNT))


def test_after_slow_work_threads_have_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brief, "SLOW", 0.0)
    monkeypatch.setattr(brief, "PAUSE", 60.0)
    monkeypatch.setattr(brief._Pause, "until", 0.0)
    began = time.monotonic()
    assert brief.attempt(lambda: time.monotonic() >= began)
    with pytest.raises(brief.TooLong):
        brief.attempt(lambda: 1)
    monkeypatch.setattr(brief._Pause, "until", 0.0)
    assert brief.attempt(brief.is_asked)
    assert not brief.is_asked()

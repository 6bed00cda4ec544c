"""Idempotency keys on every engine: one change a key, the first answer again, and how long it is kept."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.config import Settings
from app.errors import Invalid
from app.repository import keys, movies, tasks
from app.repository.keys import Answer, Key
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database
from app.storage.schema import idempotency_keys
from app.tasks import retention
from app.tasks.start import start

KEY = Key("POST /movies", "k", "f")
DAY = 24 * 3600


def once(database: Database, key: Key, body: str, *, now: float = 1.0, task_id: str | None = None) -> str:
    """Add a film and keep `body` as the answer, or return what was kept before."""
    with database.write() as connection:
        if not keys.claim(connection, key, now=now):
            found = keys.find(connection, key)
            assert found is not None
            return found.body
        movies.create(connection, body, None, None, now=now)
        keys.keep(connection, key, Answer(201, {"Location": "/x"}, body, task_id))
        return body


def films(database: Database) -> int:
    with database.read() as connection:
        return movies.count(connection)


def kept(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(sa.select(idempotency_keys.c.key)).scalars())


def test_one_key_is_one_change_however_many_send_it_at_once(database: Database) -> None:
    before = films(database)
    with ThreadPoolExecutor(16) as pool:
        bodies = set(pool.map(lambda n: once(database, KEY, f"body {n}"), range(16)))
    assert len(bodies) == 1
    assert films(database) == before + 1
    with database.read() as connection:
        assert keys.find(connection, KEY) == Answer(201, {"Location": "/x"}, bodies.pop())
        assert keys.find(connection, Key("POST /ratings", "k", "f")) is None
        with pytest.raises(Invalid, match="another request"):
            keys.find(connection, Key("POST /movies", "k", "other"))


def test_a_change_that_fails_leaves_its_key_free(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        assert keys.claim(connection, KEY, now=1.0)
        raise ZeroDivisionError
    assert once(database, KEY, "again") == "again"


def test_keys_are_kept_for_a_day_and_those_of_a_task_as_long_as_the_task(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    now = time.time()
    for number, age in enumerate((3.0, 2.0, 1.01, 1.001, 0.99, 0.0)):
        once(database, Key("POST /movies", str(number), ""), "film", now=now - age * DAY)
    task = start(database, REBUILD_MODEL)
    once(database, Key("POST /recommender/rebuild", "t", ""), "x", now=now - 3 * DAY, task_id=task.id)
    retention.clean(database, settings, now=now)
    assert kept(database) == {"4", "5", "t"}
    with database.write() as connection:
        tasks.request_cancel(connection, task.id, now=now)
        tasks.forget(connection, before=now + 1)
    assert kept(database) == {"4", "5"}


def test_a_clock_that_is_ahead_deletes_no_fresh_key(database: Database, settings: Settings) -> None:
    once(database, KEY, "film", now=time.time())
    retention.clean(database, settings, now=time.time() + 60 * DAY)
    assert kept(database) == {"k"}

"""Databases of older releases, with data, on every engine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from app.config import Settings
from app.repository import keys, tasks
from app.repository.keys import Key
from app.repository.search import search
from app.storage import engine_of, open_database
from app.storage import revisions as storage
from app.storage.upgrades import migrate
from app.tasks.worker import run_next
from tests.conftest import ENGINES


@pytest.fixture(params=ENGINES)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a database without any table, on each engine in turn."""
    if request.param == "sqlite":
        yield Settings(data_dir=tmp_path / "data", embedded_worker=False)
        return
    server, _ = request.getfixturevalue("postgres")
    name = server.create_database()
    yield Settings(data_dir=tmp_path / "data", database_url=server.url(name), embedded_worker=False)
    server.drop_database(name)


def open_older(settings: Settings, revision: str, *statements: str) -> None:
    """Make the database as a release with that schema made it, and run the statements in it."""

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(storage.MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for statement in statements:
            connection.execute(sa.text(statement))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.storage.upgrades.upgrade", upgrade)
        database = engine_of(settings)(settings)  # the code of today wants tables that are not there yet
        migrate(database)
        database.close()


def test_keys_of_an_older_release_are_answered_as_before(empty: Settings) -> None:
    started = {
        "POST /imports": "/imports/t0",
        "POST /imports/x/undo": "/imports/t1",
        "POST /recommender/rebuild": "/recommender/rebuild/t2",
    }
    insert = "INSERT INTO idempotency_keys (scope, key, fingerprint, task_id, created_at) VALUES "
    rows = [f"('{scope}', 'k', 'f', 't{number}', 1)" for number, scope in enumerate(started)]
    open_older(empty, "0005", insert + ", ".join(rows))
    database = open_database(empty)
    with database.write() as connection:
        for number, (scope, location) in enumerate(started.items()):
            answer = keys.find(connection, Key(scope, "k", "f"))
            assert answer is not None
            assert (answer.status, answer.task_id) == (202, f"t{number}")
            assert json.loads(answer.body) == {"task_id": f"t{number}", "status": "queued"}
            assert answer.headers == {"Location": location, "Retry-After": "1"}
        assert keys.claim(connection, Key("POST /movies", "k", "f"), now=1.0)
    database.close()


def test_a_task_that_waits_in_an_older_database_goes_on_from_its_checkpoint(empty: Settings) -> None:
    cursor = {"after": [7, 7], "done": 2, "figures": {"deleted": 2, "restored": 0, "kept": 0}}
    insert = "INSERT INTO tasks (id, kind, status, params, cursor, created_at, finished_at) VALUES "
    done = """('i', 'import_ratings', 'complete', '{"file": null}', '{"figures": {"new": 3}}', 1, 2)"""
    half = f"""('u', 'undo_import', 'queued', '{{"undo_of": "i"}}', '{json.dumps(cursor)}', 3, NULL)"""
    open_older(empty, "0011", f"{insert} {done}, {half}")
    database = open_database(empty)
    with database.read() as connection:
        found = tasks.get(connection, "u")
    assert found is not None
    assert found.checkpoint == cursor
    assert run_next(database, empty)
    with database.read() as connection:
        found = tasks.get(connection, "u")
    assert found is not None
    assert (found.status, found.done) == ("complete", 2)
    assert found.result == {"undo_of": "i", "deleted": 2, "restored": 0, "kept": 0, "rejects": []}
    database.close()


def test_movies_of_an_older_release_are_found_by_their_titles(empty: Settings) -> None:
    columns = "id, title, genre, source, search_key, created_at"
    insert = f"INSERT INTO movies ({columns}) VALUES (7, 'Smørrebrød: WALL·E', 'Œuvre', 'import', 'old', 1)"
    open_older(empty, "0015", insert)
    database = open_database(empty)
    with database.read() as connection:
        for text in ("smorrebrod", "smorebrod", "smørrebrødwalle"):
            assert [found.movie.id for found in search(connection, text, limit=9, genre="oeuvre")] == [7]
        assert search(connection, "walle smorrebrod", limit=9)[0].movie.id == 7
        assert search(connection, "godfather 2", limit=9)[0].movie.id == 1221
    database.close()

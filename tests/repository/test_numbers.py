"""Numbers that others keep are given once, whatever was deleted in between."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from app.config import Settings
from app.rating import MAX_ID, Rating
from app.repository import catalogue, imports, movies, ratings, tasks
from app.repository.import_order import IMPORT_RATINGS
from app.storage import Database, open_database
from app.storage.schema import FIRST_OWN_ID, metadata
from tests.server import poll

NUMBERED = [table for table in metadata.sorted_tables if table.autoincrement_column is not None]
VALUES: dict[type, Any] = {int: 1, float: 1.0, str: "x", bool: False, bytes: b"x", object: {}}


def values_of(table: sa.Table) -> dict[str, Any]:
    """Something for every column that must be given."""
    needed = [c for c in table.c if not (c.nullable or c.primary_key or c.server_default is not None)]
    return {c.name: VALUES[c.type.python_type] for c in needed}


@pytest.mark.parametrize("table", NUMBERED, ids=lambda table: table.name)
def test_a_number_is_not_given_again(database: Database, table: sa.Table) -> None:
    (number,) = table.primary_key
    statement = table.insert().values(**values_of(table)).returning(number)
    given = []
    for _ in range(3):
        with database.write() as connection:
            given.append(connection.execute(statement).scalar_one())
        with database.write() as connection:
            connection.execute(table.delete())
    assert given == sorted(set(given))


def create(database: Database) -> int:
    with database.write() as connection:
        return movies.create(connection, "Film", None, None, now=1.0).id


def delete(database: Database, movie_id: int) -> None:
    with database.write() as connection:
        movies.delete(connection, movie_id, force=True)


def bring(database: Database, ids: list[int]) -> None:
    """An import of movies under these ids."""
    rows = {i: {"title": "Theirs", "year": None, "genre": None} for i in ids}
    with database.write() as connection:
        seq = tasks.create(connection, IMPORT_RATINGS, {}, now=1.0).seq
        catalogue.write(connection, catalogue.MOVIE, rows, seq, now=1.0)


def test_the_id_of_a_deleted_movie_is_not_given_again(database: Database) -> None:
    first = create(database)
    delete(database, first)
    assert (first, create(database)) == (FIRST_OWN_ID, FIRST_OWN_ID + 1)


def test_movies_can_be_made_beside_imported_ones_of_any_id(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movies, "IDS_AT_ONCE", 3)
    theirs = [*range(FIRST_OWN_ID, FIRST_OWN_ID + 8), FIRST_OWN_ID + 9, 2**53 - 1, 2**62, MAX_ID]
    bring(database, theirs)
    assert [create(database), create(database)] == [FIRST_OWN_ID + 8, FIRST_OWN_ID + 10]


def test_the_id_of_a_deleted_movie_that_was_imported_is_not_given_again(database: Database) -> None:
    mine = create(database)
    bring(database, [FIRST_OWN_ID + 1, FIRST_OWN_ID + 3, MAX_ID])
    for movie_id in (FIRST_OWN_ID + 1, FIRST_OWN_ID + 3, MAX_ID):
        delete(database, movie_id)
    assert [mine, *(create(database) for _ in range(3))] == [FIRST_OWN_ID + n for n in (0, 2, 4, 5)]
    assert table_is_empty(database, "retired_movie_ids"), "the counter has passed them"


def test_a_starter_or_imported_id_below_ours_may_come_again(database: Database) -> None:
    delete(database, 1)
    bring(database, [1])
    assert create(database) == FIRST_OWN_ID
    assert table_is_empty(database, "retired_movie_ids")


def table_is_empty(database: Database, name: str) -> bool:
    with database.read() as connection:
        return connection.execute(sa.select(metadata.tables[name]).limit(1)).first() is None


CREATE = """
import sys
from app.config import Settings
from app.repository import movies
from app.storage import open_database
database = open_database(Settings.from_environment())
for _ in range(15):
    with database.write() as connection:
        print(movies.create(connection, "Film", None, None, now=1.0).id)
"""


def test_two_processes_give_ids_of_their_own(engine_settings: Settings) -> None:
    environment = engine_settings.to_environment()
    running = [
        subprocess.Popen([sys.executable, "-c", CREATE], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ids = [int(line) for process in running for line in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in running] == [0, 0]
    assert sorted(ids) == list(range(FIRST_OWN_ID, FIRST_OWN_ID + 30))


def test_what_is_kept_of_a_movie_goes_with_it(database: Database) -> None:
    with database.write() as connection:
        ratings.put(connection, Rating(7, 1, 5.0, 100))
        ratings.put(connection, Rating(7, 2, 5.0, 100))
        links = {i: {"imdb_id": i, "tmdb_id": None} for i in (1, 2)}
        catalogue.put(connection, catalogue.LINK, links)
    delete(database, 1)
    bring(database, [1])
    with database.read() as connection:
        assert ratings.newly_rated(connection, 0) == [2]
        assert catalogue.imdb_ids(connection) == {2: 2}
        assert movies.get(connection, 1).rating_count == 0


def test_a_write_over_a_forgotten_import_keeps_nothing(database: Database) -> None:
    """What an undo would need is kept only as long as there can be an undo."""
    with database.write() as connection:
        kept = tasks.create(connection, IMPORT_RATINGS, {}, now=1.0).seq
        for user, seq in ((7, kept), (8, kept + 1)):
            imports.note_later_writes(connection, [(seq, user, 1)])
    with database.read() as connection:
        assert list(imports.later_writes_of(connection, kept)) == [(7, 1)]
        assert list(imports.later_writes_of(connection, kept + 1)) == []


def test_a_write_beside_a_retention_keeps_nothing(database: Database) -> None:
    with database.write() as connection:
        task = tasks.create(connection, IMPORT_RATINGS, {}, now=1.0)
        tasks.request_cancel(connection, task.id, now=1.0)

    def forget() -> None:
        with database.write() as connection:
            tasks.forget(connection, before=2.0)

    def is_waiting() -> bool:
        if connection.dialect.name == "sqlite":
            return database.has_waiters()
        return bool(connection.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())

    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            imports.note_later_writes(connection, [(task.seq, 7, 1)])
            forgetting = pool.submit(forget)
            poll(lambda: forgetting.done() or is_waiting())
        forgetting.result()
    with database.read() as connection:
        assert tasks.get(connection, task.id) is None
        assert list(imports.later_writes_of(connection, task.seq)) == []


def test_another_process_goes_on_where_the_counter_stands(engine_settings: Settings) -> None:
    database = open_database(engine_settings)
    delete(database, create(database))
    database.close()
    database = open_database(engine_settings)
    assert create(database) == FIRST_OWN_ID + 1
    database.close()

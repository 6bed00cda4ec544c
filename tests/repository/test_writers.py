"""A rating that comes while an import writes the same one: counts, and what an undo keeps, are right."""

import threading

import numpy as np
import pytest
import sqlalchemy as sa

from app.config import Settings
from app.imports.counts import settle
from app.rating import Rating, RatingColumns
from app.repository import imports, ratings, waiting
from app.repository.count_changes import changes_of
from app.repository.waiting import Waiting
from app.storage import Database
from app.storage.database import database_of
from tests.imports.conftest import counts_are_right, table
from tests.server import poll

IMPORTED = RatingColumns(np.array([9]), np.array([1]), np.array([8], np.uint8), np.array([100]), import_seq=5)


def put(database: Database) -> None:
    with database.write() as connection:
        ratings.put(connection, Rating(9, 1, 2.0, 200))


def delete(database: Database) -> None:
    with database.write() as connection:
        ratings.delete(connection, 9, 1)


def resolve(database: Database) -> None:
    with database.write() as connection:
        waiting.resolve(connection, 9, 1, 1, now=300.0)


def is_waiting(database: Database, settings: Settings) -> bool:
    """Whether a transaction waits for another one."""
    if not settings.database_url:
        return database.has_waiters()
    with database.read() as connection:
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return bool(connection.execute(sa.text(query)).scalar_one())


@pytest.mark.parametrize("write", [put, delete, resolve])
@pytest.mark.parametrize("before", [None, 3.0], ids=["new", "replaced"])
def test_a_writer_sees_what_an_import_beside_it_has_written(
    database: Database, engine_settings: Settings, write: object, before: float | None
) -> None:
    assert callable(write)
    with database.write() as connection:
        waiting.put(connection, 9, [Waiting(9, "imdb:1", "A", score=1.0, rated_at=50)])
        if before is not None:
            ratings.put(connection, Rating(9, 1, before, 10))
    other = threading.Thread(target=write, args=(database,))
    with database.write() as connection:
        database_of(connection).lock_ratings(connection)
        stored = imports.rated(connection, IMPORTED.user_id, IMPORTED.movie_id)
        other.start()
        poll(lambda: is_waiting(database, engine_settings))
        database_of(connection).put_ratings(connection, IMPORTED)
        imports.change_counts(connection, changes_of([IMPORTED], [stored]))
    other.join()
    settle(database, database.write)
    assert counts_are_right(database)
    scores = [row[2] for row in table(database, "ratings")]
    assert scores == {put: [2.0], delete: [], resolve: [4.0]}[write]

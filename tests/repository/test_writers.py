"""A rating that comes while an import writes the same one: counts, and what an undo keeps, are right."""

import threading

import numpy as np
import pytest
import sqlalchemy as sa

from app.arrays import Integers
from app.config import Settings
from app.imports.counts import settle
from app.rating import Rating, RatingColumns
from app.repository import imports, movies, rating_batches, ratings, waiting
from app.repository.count_changes import changes_of
from app.repository.waiting import Waiting
from app.storage import Database, open_database
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
@pytest.mark.parametrize("of", [None, IMPORTED.user_id], ids=["of all", "of some"])
def test_a_writer_sees_what_an_import_beside_it_has_written(
    database: Database, engine_settings: Settings, write: object, before: float | None, of: Integers | None
) -> None:
    assert callable(write)
    with database.write() as connection:
        waiting.put(connection, 9, [Waiting(9, "imdb:1", "A", score=1.0, rated_at=50)])
        if before is not None:
            ratings.put(connection, Rating(9, 1, before, 10))
    other = threading.Thread(target=write, args=(database,))
    with database.write() as connection:
        database_of(connection).lock_ratings(connection, of)
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


def test_a_rating_of_another_user_does_not_wait_for_an_import_where_the_engine_can_tell(
    database: Database, engine_settings: Settings
) -> None:
    if not database.workers.many:
        pytest.skip("a transaction that writes is alone from its start")
    api = open_database(engine_settings)
    with database.write() as connection:
        database.lock_ratings(connection, IMPORTED.user_id)
        assert not database.has_waiters()
        assert not database.had_waiters()
        with api.write() as other:
            other.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
            ratings.put(other, Rating(10, 1, 4.0, 100))
            ratings.delete(other, 10, 1)
            assert not database.has_waiters()
            assert database.had_waiters(), "ranges are small while others write"
    api.close()


@pytest.mark.parametrize("write", ["delete a movie", "an undo", "several users", "the same number"])
def test_who_writes_ratings_of_more_than_a_user_waits_for_an_import(
    database: Database, engine_settings: Settings, write: str
) -> None:
    order: list[str] = []

    def second() -> None:
        with database.write() as connection:
            if write == "delete a movie":
                movies.delete(connection, 2, force=True)
            elif write == "an undo":
                database.lock_ratings(connection)
            elif write == "several users":
                given = RatingColumns(*np.array([(10, 1, 8, 5), (11, 1, 8, 5)], np.int64).T)
                rating_batches.put(connection, given)
            else:
                ratings.put(connection, Rating(9 + 4_096, 1, 4.0, 100))
            order.append("second")

    with database.write() as connection:
        ratings.put(connection, Rating(8, 2, 4.0, 100))
    other = threading.Thread(target=second)
    with database.write() as connection:
        database.lock_ratings(connection, IMPORTED.user_id)
        other.start()
        poll(lambda: is_waiting(database, engine_settings))
        assert not database.workers.many or database.has_waiters()
        order.append("first")
    other.join()
    assert order == ["first", "second"]

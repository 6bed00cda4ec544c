"""Queries for more ids than a statement takes as parameters, with SQLite's default limit and below."""

import sqlite3
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.config import Settings
from app.rating import RatingColumns
from app.repository import catalogue, imports, movies, ratings
from app.repository.count_changes import Changes
from app.storage import Database, open_database
from app.storage.schema import metadata

FIRST, MANY = 1_000_000, 40_000


def limited(database: Database, most: int) -> Database:
    """Every connection takes `most` parameters a statement, as SQLite does by default."""

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, most)

    sa.event.listen(database.engine, "connect", limit)
    database.engine.dispose()
    return database


@pytest.fixture
def many(settings: Settings) -> Iterator[Database]:
    """User 7 has rated 40,000 movies."""
    database = limited(open_database(settings), 32_766)
    with database.write() as connection:
        columns = {"title": "x", "source": "import", "search_key": "x", "created_at": 1.0}
        rows = [{"id": n} | columns for n in range(FIRST, FIRST + MANY)]
        connection.execute(metadata.tables["movies"].insert(), rows)
        ids = np.arange(FIRST, FIRST + MANY)
        given = RatingColumns(
            np.full(MANY, 7), ids, np.full(MANY, 9, np.uint8), ids, np.zeros(MANY, np.int32)
        )
        database.put_ratings(connection, given)
    yield database
    database.close()


def test_a_user_with_more_ratings_than_parameters_is_served(
    client: TestClient, run_tasks: Callable[[], None], many: Database
) -> None:
    client.post("/imports")
    client.post("/ratings", json={"movie_id": 2571, "user_id": 7, "score": 5})
    client.post("/recommender/rebuild")
    run_tasks()
    limited(client.app.state.service.database, 32_766)  # type: ignore[attr-defined]
    for path in ("/recommendations/7", "/users/7/recommendations?limit=1000", "/users/7/ratings?limit=1000"):
        answer = client.get(path)
        assert (answer.status_code, bool(answer.json())) == (200, True), path
    assert client.get("/users/7/recommendations").json()["source"] == "personal"


def test_any_number_of_ids_is_looked_up(many: Database) -> None:
    limited(many, many.values_at_once + 24)  # those of the IN, and a few beside
    ids = range(FIRST, FIRST + MANY)
    with many.write() as connection:
        assert list(movies.by_ids(connection, ids)) == list(ids)
        assert movies.exist(connection, np.array([FIRST - 1, FIRST, FIRST + MANY])).tolist() == [
            False,
            True,
            False,
        ]
        assert len(catalogue.existing(connection, catalogue.MOVIE, ids)) == MANY
        rows = {n: {"title": f"Film {n}", "year": None, "genre": None} for n in ids[:5_000]}
        assert len(catalogue.write(connection, catalogue.MOVIE, rows, 1, now=1.0).replaced) == 5_000
        taken = catalogue.take_images(connection, 1, 4_000)
        assert taken is not None
        assert len(taken[1]) == 4_000
        left = catalogue.take_images(connection, 1, 4_000)
        assert left is not None
        assert len(left[1]) == 1_000


def test_counts_of_any_number_of_movies_that_are_gone_are_settled(many: Database) -> None:
    limited(many, many.values_at_once + 24)
    gone = np.arange(FIRST, FIRST + MANY)
    with many.write() as connection:
        connection.execute(metadata.tables["movies"].delete().where(metadata.tables["movies"].c.id >= FIRST))
        imports.change_counts(connection, Changes(gone, np.ones((MANY, 10), np.int32)))
        imports.settle_counts(connection)
        assert imports.pending_counts(connection) == 0
        assert ratings.of_user(connection, 7) == []

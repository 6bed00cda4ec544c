"""A batch of ratings does what its ratings would do one after the other, on every engine."""

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.rating import Rating, RatingColumns
from app.repository import rating_batches, ratings, tasks
from app.repository.ratings import FIRST_RATERS
from app.storage import Database
from app.storage.schema import metadata

Row = tuple[int, int, int]
"""User, movie, half steps."""
NOW = 1_700_000_000
UNKNOWN = 424242
TABLES = ("ratings", "movies", "later_writes", "rating_before_images")
rows = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([1, 2, 6, UNKNOWN]), st.integers(1, 10)), max_size=14
)


def columns(some: list[Row]) -> RatingColumns:
    table = np.array(some, np.int64).reshape(-1, 3)
    return RatingColumns(table[:, 0], table[:, 1], table[:, 2].astype(np.uint8), np.full(len(some), NOW))


def one_by_one(connection: sa.Connection, some: list[Row]) -> list[int]:
    before = []
    for user_id, movie_id, score in some:
        if movie_id == UNKNOWN:
            before.append(rating_batches.UNKNOWN)
            continue
        old = {r.movie_id: int(r.score * 2) for r in ratings.of_user(connection, user_id)}
        ratings.put(connection, Rating(user_id, movie_id, score / 2, NOW))
        before.append(old.get(movie_id, 0))
    return before


def state(connection: sa.Connection) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: sorted(map(tuple, connection.execute(sa.select(metadata.tables[name]))), key=repr)
        for name in TABLES
    }
    raters = metadata.tables["first_raters"].c
    ordered = sa.select(raters.movie_id, raters.user_id).order_by(raters.number)
    return found | {"first_raters": [tuple(row) for row in connection.execute(ordered)]}


class Undone(Exception):
    pass


def outcome(database: Database, write: Any, stored: list[Row], some: list[Row]) -> Any:
    """What it returns, and what is in the database after it; then all is taken back."""
    found = None
    with pytest.raises(Undone), database.write() as connection:
        tasks.create(connection, "import_ratings", {}, now=NOW)
        connection.execute(metadata.tables["tasks"].update().values(seq=1))
        one_by_one(connection, [row for row in stored if row[1] != UNKNOWN])
        table = metadata.tables["ratings"]
        imported = table.update().where(table.c.user_id % 2 == 0).values(import_seq=1)
        connection.execute(imported)
        found = (list(write(connection, some)), state(connection))
        raise Undone
    return found


@given(stored=rows, some=rows)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_is_as_its_ratings_one_by_one(database: Database, stored: list[Row], some: list[Row]) -> None:
    def at_once(connection: sa.Connection, some: list[Row]) -> list[int]:
        return [int(score) for score in rating_batches.put(connection, columns(some))]

    assert outcome(database, at_once, stored, some) == outcome(database, one_by_one, stored, some)


def test_no_more_first_raters_than_a_movie_has(database: Database) -> None:
    some = [(user_id, 1, 8) for user_id in range(3 * FIRST_RATERS)]
    with database.write() as connection:
        rating_batches.put(connection, columns(some))
        assert ratings.first_raters_of(connection, 1) == list(range(FIRST_RATERS))[::-1]
        rating_batches.put(connection, columns([(5, 1, 2), (50, 1, 2)]))
        assert ratings.first_raters_of(connection, 1)[0] == 5


def test_ten_thousand_ratings_take_few_statements(database: Database) -> None:
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    some = [(user_id, movie_id, 8) for user_id in range(1000) for movie_id in (1, 2, 6, 32, 34, 39, 47, 50)]
    sa.event.listen(database.engine, "before_cursor_execute", count)
    with database.write() as connection:
        rating_batches.put(connection, columns(some))
    sa.event.remove(database.engine, "before_cursor_execute", count)
    assert statements < 40

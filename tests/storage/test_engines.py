"""What differs between engines, as a repository function meets it: the same on each."""

import numpy as np
import pytest
import sqlalchemy as sa

from app.config import Settings
from app.errors import ConfigurationError
from app.rating import RatingColumns
from app.repository import ratings
from app.storage import Database, attached, database_of, engine_of
from app.storage.schema import counters, rating_before_images
from app.storage.schema import ratings as table


def some(*scores: int, seq: int = 0) -> RatingColumns:
    """Ratings of movies 1, 2 ... by user 7, in half steps."""
    n = len(scores)
    ids = np.arange(1, n + 1)
    steps, times = np.array(scores, np.uint8), np.full(n, 100)
    return RatingColumns(np.full(n, 7), ids, steps, times, np.full(n, seq, np.int32))


def test_a_connection_names_its_database(database: Database) -> None:
    with database.read() as one, database.write() as other:
        assert database_of(one) is database_of(other) is database
    database.engine.dispose()
    with database.read() as fresh:
        assert database_of(fresh) is database


def test_a_connection_of_an_unknown_engine_is_refused() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(KeyError):
        database_of(connection)
    engine.dispose()


def test_an_unknown_scheme_has_no_engine() -> None:
    with pytest.raises(ConfigurationError, match="'mysql'"):
        engine_of(Settings(database_url="mysql://somewhere/x"))


def test_ratings_are_put_over_others_and_before_images_beside(database: Database) -> None:
    with database.write() as connection:
        database.put_ratings(connection, some(2, 10, 1, seq=5))
        database.put_ratings(connection, some(9, 8))
        database.put_ratings(connection, some())
        database.put_before_images(connection, some(2, 10, seq=5), 6)
        database.put_before_images(connection, some(), 6)
    with database.read() as connection:
        assert [tuple(row) for row in connection.execute(sa.select(table).order_by(table.c.movie_id))] == [
            (7, 1, 4.5, 100, None),
            (7, 2, 4.0, 100, None),
            (7, 3, 0.5, 100, 5),
        ]
        images = rating_before_images.c
        query = sa.select(images.import_seq, images.movie_id, images.score, images.before_seq)
        assert [tuple(row) for row in connection.execute(query.order_by(images.movie_id))] == [
            (6, 1, 1.0, 5),
            (6, 2, 5.0, 5),
        ]


def test_a_transaction_has_room_for_as_many_ranges_as_it_says(database: Database) -> None:
    for _ in range(2):
        with database.write() as connection:
            ranges = 0
            while database.has_room(connection) and ranges < attached.MOST:
                database.put_ratings(connection, some(*[1 + ranges % 10] * 3))
                database.put_before_images(connection, some(3), 10 + ranges)
                ranges += 1
            connection.execute(rating_before_images.delete())
        assert ranges >= attached.MOST // 2
    with database.read() as connection:
        assert len(ratings.of_user(connection, 7)) == 3


def test_an_upsert_writes_the_named_columns_alone(database: Database) -> None:
    row = {"name": "mine", "value": 1}
    with database.write() as connection:
        connection.execute(database.insert(counters), row)
        connection.execute(database.insert(counters).on_conflict_do_nothing(), row | {"value": 2})
        mine = sa.select(counters.c.value).where(counters.c.name == "mine")
        assert connection.execute(mine).scalar_one() == 1
        connection.execute(database.upsert(counters, "value"), row | {"value": 3})
        assert connection.execute(mine).scalar_one() == 3


def test_batches_hold_every_value_once_and_fit_a_statement(database: Database) -> None:
    values = list(range(2 * database.values_at_once + 1))
    batches = list(database.batches(iter(values)))
    assert [value for batch in batches for value in batch] == values
    with database.read() as connection:
        for batch in batches:
            connection.execute(sa.select(table.c.user_id).where(table.c.movie_id.in_(batch))).all()
    assert list(database.batches([])) == []

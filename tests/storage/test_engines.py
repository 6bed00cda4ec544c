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


def test_ratings_by_the_column_come_to_what_they_come_to_one_by_one(database: Database) -> None:
    """New ones, others over them, and deletes, with ids of every size and with and without an import."""
    random = np.random.default_rng(7)
    kept: dict[tuple[int, int], tuple[float, int, int | None]] = {}
    for step in range(6):
        keys = random.integers(1, 40, (60, 2)) ** random.choice([1, 10])
        keys = np.unique(keys, axis=0)
        steps, times = (
            random.integers(1, 11, len(keys)).astype(np.uint8),
            random.integers(0, 2**40, len(keys)),
        )
        seqs = random.choice([0, 3, 2**31 - 1], len(keys)).astype(np.int32)
        given = RatingColumns(keys[:, 0], keys[:, 1], steps, times, seqs)
        pairs = [(int(user), int(movie)) for user, movie in keys]
        is_new = np.array([pair not in kept for pair in pairs])
        rows = zip((steps / 2).tolist(), times.tolist(), [int(seq) or None for seq in seqs], strict=True)
        kept |= dict(zip(pairs, rows, strict=True))
        gone = keys[::3]
        with database.write() as connection:
            database.lock_ratings(connection)
            database.put_ratings(connection, given, is_new if step % 2 else None)
            database.put_before_images(connection, given, step)
            database.delete_ratings(connection, gone[:, 0], gone[:, 1])
        kept = {pair: row for pair, row in kept.items() if pair not in {(int(u), int(m)) for u, m in gone}}
        with database.read() as connection:
            found = connection.execute(sa.select(table)).all()
            images = rating_before_images
            noted = connection.execute(sa.select(images).where(images.c.import_seq == step)).all()
        assert {(row[0], row[1]): tuple(row[2:]) for row in found} == kept
        assert len(noted) == len(given)
        assert {row.before_seq for row in noted} == {int(seq) or None for seq in seqs}


def test_of_equal_keys_in_one_bulk_the_last_is_kept(database: Database) -> None:
    twice = RatingColumns.joined([some(2, 4), some(6)])
    with database.write() as connection:
        database.put_ratings(connection, twice)
    with database.read() as connection:
        assert [rating.score for rating in ratings.of_user(connection, 7)] == [3.0, 2.0]


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

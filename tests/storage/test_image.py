"""The image of ratings, read back by SQLite itself."""

import sqlite3

import numpy as np
import pytest

from app.storage.image import FIRST_ROWID, LEAF_ROWS, MOST_ROWS, ratings_image


@pytest.mark.parametrize("size", [1, LEAF_ROWS, LEAF_ROWS + 1, 2 * LEAF_ROWS, 2 * LEAF_ROWS + 1, 100_000])
def test_sqlite_finds_every_row_in_an_image_and_no_fault(size: int) -> None:
    random = np.random.default_rng(size)
    columns = (
        random.integers(-(2**63), 2**63 - 1, size, np.int64),
        random.integers(0, 2**40, size, np.int64),
        random.integers(1, 11, size).astype(np.uint8),
        random.integers(0, 2**34, size, np.int64),
        random.integers(0, 2**31 - 1, size).astype(np.int32),
    )
    connection = sqlite3.connect(":memory:")
    connection.deserialize(ratings_image(*columns))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT * FROM rows").fetchall() == list(
        zip(*(column.tolist() for column in columns), strict=True)
    )
    half = connection.execute("SELECT count(*) FROM rows WHERE rowid >= ?", (FIRST_ROWID + size // 2,))
    assert half.fetchone() == (size - size // 2,)


def test_the_largest_image_is_sound() -> None:
    numbers = np.arange(MOST_ROWS)
    connection = sqlite3.connect(":memory:")
    connection.deserialize(
        ratings_image(numbers, numbers, numbers.astype(np.uint8), numbers, numbers.astype(np.int32))
    )
    query = "SELECT count(*), min(rowid), max(rowid), sum(user_id) FROM rows"
    assert connection.execute(query).fetchone() == (MOST_ROWS, 1 << 14, (1 << 21) - 1, int(numbers.sum()))

"""The ratings that an import finds in the place of its own."""

import numpy as np
import pytest

from app.rating import RatingColumns
from app.repository import imports
from app.storage import Database

USERS, MOVIES = 300, 5


@pytest.fixture
def filled(database: Database) -> Database:
    user_id, movie_id = np.divmod(np.arange(USERS * MOVIES), MOVIES)
    half_steps = (1 + user_id % 10).astype(np.uint8)
    columns = RatingColumns(user_id + 1, movie_id + 1, half_steps, user_id * 7)
    with database.write() as connection:
        database.lock_ratings(connection)
        database.put_ratings(connection, columns)
    return database


@pytest.mark.parametrize("step", [1, 150])
def test_those_of_the_pairs_are_found_however_many_lie_between(filled: Database, step: int) -> None:
    """With a step of 150 most of what lies between the first and the last belongs to others."""
    user_id = np.repeat(np.arange(1, USERS + 3, step), 2)
    movie_id = np.tile([5, 2**40], len(user_id) // 2)
    with filled.read() as connection:
        found = imports.rated(connection, user_id, movie_id)
    columns = (found.user_id, found.movie_id, found.half_steps, found.rated_at)
    rows = set(zip(*(column.tolist() for column in columns), strict=True))
    wanted = {(u, 5, 1 + (u - 1) % 10, (u - 1) * 7) for u in user_id.tolist() if u <= USERS}
    assert wanted <= rows
    if step == 150:
        assert rows == wanted  # looked up; of a scan the others would be there too

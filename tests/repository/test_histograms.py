"""How many ratings of each score a movie has: kept with the counts, whatever writes, and without a scan."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alembic.command
import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app.config import Settings
from app.rating import Rating, RatingColumns
from app.repository import movies, ratings
from app.repository.count_changes import Changes, changes_of, packed, parts, total, unpacked
from app.storage import Database, engine_of
from app.storage.upgrades import migrate
from tests.conftest import ENGINES
from tests.imports.conftest import counts_are_right

IDS = st.sampled_from([0, 1, 2, 3, 2**62, 2**63 - 1])
ROWS = st.lists(st.tuples(IDS, st.integers(1, 10)), max_size=60)


def columns(rows: list[tuple[int, int]]) -> RatingColumns:
    ids, steps = (np.array([row[n] for row in rows], np.int64) for n in (0, 1))
    return RatingColumns(ids, ids, steps.astype(np.uint8), ids, ids.astype(np.int32))


@given(ROWS, ROWS)
def test_changes_are_what_the_ratings_are_whatever_they_go_through(
    written: list[tuple[int, int]], before: list[tuple[int, int]]
) -> None:
    changes = changes_of([columns(written[:9]), columns(written[9:])], [columns(before)])
    expected = {(m, s): written.count((m, s)) - before.count((m, s)) for m, s in {*written, *before}}
    halves = list(parts(changes, 2))
    for some in (changes, unpacked(packed(changes)), total(halves), total([*halves[::-1], total([])])):
        assert (np.diff(some.movie_id) > 0).all()
        found = dict(zip(some.movie_id.tolist(), some.scored.tolist(), strict=True))
        assert {(m, s): found[m][s - 1] for m, s in expected} == expected
        assert int(some.ratings.sum()) == len(written) - len(before)
        assert int(some.half_steps.sum()) == sum(s for _, s in written) - sum(s for _, s in before)
    twice = total([changes, changes])
    assert (twice.scored == 2 * changes.scored).all()


@pytest.mark.parametrize("number", [1, 127, -128, 128, 2**15 - 1, 2**15, -(2**31) + 1])
def test_numbers_of_every_size_come_back(number: int) -> None:
    scored = np.zeros((1, 10), np.int32)
    scored[0, 3] = number
    assert unpacked(packed(Changes(np.array([7]), scored))).scored.tolist() == scored.tolist()


def test_a_histogram_follows_every_write(database: Database) -> None:
    writes = [(1, 4.0), (2, 4.0), (1, 0.5), (3, 5.0), (2, None), (1, 0.5), (3, None)]
    for user, score in writes:
        with database.write() as connection:
            if score is None:
                ratings.delete(connection, user, 1)
            else:
                ratings.put(connection, Rating(user, 1, score, 100))
        assert counts_are_right(database)
    with database.read() as connection:
        assert ratings.histogram(connection, 1) == {f"{n / 2:.1f}": int(n == 1) for n in range(1, 11)}
        assert not any(ratings.histogram(connection, 2).values())


def test_a_database_from_before_has_the_histograms_of_its_ratings(database_of_before: Database) -> None:
    """With changes that waited to be made, in the form of then, and a rating of a movie deleted meanwhile."""
    database = database_of_before
    with database.write() as connection:
        values = [
            {"u": u, "m": m, "s": s} for u, m, s in ((7, 1, 4.0), (8, 1, 4.0), (8, 2, 0.5), (8, 99, 5.0))
        ]
        insert = "INSERT INTO ratings (user_id, movie_id, score, rated_at) VALUES (:u, :m, :s, 1)"
        connection.execute(sa.text(insert), values)
        connection.execute(sa.text("UPDATE movies SET rating_count = 5, rating_sum = 9 WHERE id = 3"))
        waiting = np.array([(1, 2, 16)], [("movie_id", "<i8"), ("count", "<i4"), ("half_steps", "<i4")])
        insert = "INSERT INTO count_changes (changes) VALUES (:c)"
        connection.execute(sa.text(insert), {"c": waiting.tobytes()})
    migrate(database)
    assert counts_are_right(database)
    with database.read() as connection:
        assert movies.get(connection, 1).mean_score == 4.0
        assert ratings.histogram(connection, 1)["4.0"] == 2
        assert [r.movie_id for r in ratings.of_user(connection, 8)] == [1, 2]


@pytest.fixture(params=ENGINES)
def database_of_before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database as it was before movies had histograms."""
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgres":
        server, _ = request.getfixturevalue("postgres")
        settings = Settings(database_url=server.url(server.create_database()))
    with pytest.MonkeyPatch.context() as patch:
        newest: Any = alembic.command.upgrade
        patch.setattr(alembic.command, "upgrade", lambda config, _head: newest(config, "0005"))
        database = engine_of(settings)(settings)
        migrate(database)
    yield database
    database.close()


def test_a_histogram_reads_no_ratings(database: Database) -> None:
    statements: list[str] = []
    sa.event.listen(
        database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
    with database.read() as connection:
        movies.get(connection, 1)
        ratings.histogram(connection, 1)
    assert not any("FROM ratings" in statement for statement in statements)

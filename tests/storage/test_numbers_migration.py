"""A database of the first version, which gave numbers twice: nothing of it is lost by a later undo."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config import Settings
from app.errors import Conflict
from app.imports import undo
from app.repository import movies, tasks
from app.repository.import_order import IMPORT_RATINGS, UNDO_IMPORT
from app.storage import Database, open_database
from app.storage.schema import FIRST_OWN_ID, LAST_OWN_ID, metadata
from tests.first_version import FirstVersion
from tests.imports.conftest import counts_are_right, ended, queue, ratings, table
from tests.repository.test_numbers import values_of

KEPT = ("rating_before_images", "catalogue_before_images", "later_writes")


@pytest.fixture(params=["sqlite", "postgres"])
def old_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings for each engine in turn, with an empty database."""
    found = Settings(data_dir=tmp_path / "data", embedded_worker=False)
    if request.param == "sqlite":
        yield found
        return
    server, _ = request.getfixturevalue("postgres")
    name = server.create_database()
    yield replace(found, database_url=server.url(name))
    server.drop_database(name)


def undone(database: Database, settings: Settings, task_id: str) -> Any:
    return ended(database, settings, queue(database, None, "", UNDO_IMPORT, undo_of=task_id), None)


def next_seq(database: Database) -> int:
    with database.write() as connection:
        return tasks.create(connection, IMPORT_RATINGS, {}, now=1.0).seq


def test_an_import_that_shares_its_number_is_not_undone(old_settings: Settings) -> None:
    """Import 60 ratings, wait for retention, import 2: their undo would delete all 62."""
    old = FirstVersion(old_settings)
    old.import_ratings({(user, movie): 3.0 for user in range(30) for movie in (1, 2)})
    old.forget_tasks()
    second = old.import_ratings({(100, 1): 5.0, (100, 2): 5.0})
    old.close()
    assert second is not None
    database = open_database(old_settings)
    before = ratings(database)
    result = undone(database, old_settings, second.id)
    if old_settings.url.startswith("sqlite"):
        assert "cannot be told from" in result.error["detail"]
        assert ratings(database) == before
        assert table(database, "later_writes") == []
    else:
        assert result.result["deleted"] == 2
    assert len(before) == 62
    assert counts_are_right(database)
    database.close()


def test_an_undo_that_was_cut_short_does_not_hide_that(tmp_path: Path) -> None:
    found = Settings(data_dir=tmp_path / "data", embedded_worker=False)
    old = FirstVersion(found)
    old.import_ratings({(user, 1): 3.0 for user in range(4)})
    old.forget_tasks()
    second = old.import_ratings({(100, movie): 5.0 for movie in (1, 2, 6)})
    assert second is not None
    with old._database.write() as connection:
        figures = {"deleted": 3, "restored": 0, "kept": 0}
        half = {"params": {"undo_of": second.id}, "cursor": {"figures": figures}}
        old.task(connection, "undo_import", "cancelled", id="undo", **half)
    old.execute("DELETE FROM ratings WHERE user_id < 3")
    old.execute("DELETE FROM ratings WHERE user_id = 100 AND movie_id = 6")
    old.close()
    database = open_database(found)
    before = ratings(database)
    assert "cannot be told from" in undone(database, found, second.id).error["detail"]
    assert ratings(database) == before
    database.close()


def test_an_import_with_a_number_of_its_own_is_undone_as_ever(old_settings: Settings) -> None:
    old = FirstVersion(old_settings)
    old.rate(1, 1, 2.0)
    first = old.import_ratings({(1, 1): 4.0, (1, 2): 4.0, (2, 1): 4.0})
    second = old.import_ratings({(1, 1): 5.0, (3, 1): 5.0})
    old.rate(2, 1, 1.0)
    old.close()
    assert first is not None
    assert second is not None
    database = open_database(old_settings)
    for written in (second, first):
        assert undone(database, old_settings, written.id).status == "complete"
    assert {key: score for key, (score, _) in ratings(database).items()} == {(1, 1): 2.0, (2, 1): 1.0}
    assert counts_are_right(database)
    assert all(table(database, name) == [] for name in KEPT)
    database.close()


def test_an_import_that_met_what_was_kept_for_another_starts_clean(old_settings: Settings) -> None:
    """It failed at each attempt over a row of a forgotten one's undo; tried again, it is whole."""
    old = FirstVersion(old_settings)
    old.rate(1, 1, 2.0)
    old.import_ratings({(1, 1): 4.0})
    old.forget_tasks()
    with old._database.write() as connection:
        seq = old.task(connection, "import_ratings", "failed", id="again", cursor={"figures": {"new": 0}})
    old.close()
    database = open_database(old_settings)
    with database.read() as connection:
        assert (
            connection.execute(
                sa.text("SELECT count(*) FROM ratings WHERE import_seq = :s"), {"s": seq}
            ).scalar()
            == 0
        )
    assert all(table(database, name) == [] for name in KEPT)
    with database.read() as connection:
        again = tasks.get(connection, "again")
    assert again is not None
    assert again.undo_refused is None
    database.close()


def test_numbers_go_on_above_all_that_is_referred_to(old_settings: Settings) -> None:
    old = FirstVersion(old_settings)
    old.rate(1, 1, 2.0)
    old.import_ratings({(1, 1): 3.0})
    old.execute("UPDATE rating_before_images SET before_seq = 75")
    with old._database.write() as connection:
        old.task(connection, "rebuild_model", id="r", cursor={"result": {"version": 80}, "newest_rater": 90})
    old.close()
    database = open_database(old_settings)
    assert next_seq(database) > 75
    for name, column, last in (("models", "version", 80), ("first_raters", "number", 90)):
        found = metadata.tables[name]
        with database.write() as connection:
            statement = found.insert().values(**values_of(found)).returning(found.c[column])
            assert connection.execute(statement).scalar_one() > last
    database.close()


@pytest.mark.parametrize(
    ("made", "deleted", "expected"),
    [
        ([], 0, FIRST_OWN_ID),
        ([FIRST_OWN_ID, FIRST_OWN_ID + 4], 3, FIRST_OWN_ID + 8),
        ([FIRST_OWN_ID, LAST_OWN_ID, 2**63 - 1], 0, FIRST_OWN_ID + 1),
    ],
    ids=["none", "some deleted", "imported ones far above"],
)
def test_movies_are_numbered_above_all_that_were_ever_made(
    old_settings: Settings, made: list[int], deleted: int, expected: int
) -> None:
    old = FirstVersion(old_settings)
    for movie_id in made:
        old.execute(
            "INSERT INTO movies (id, title, source, search_key, created_at) VALUES (:i, 'x', 'api', 'x', 1)",
            i=movie_id,
        )
    old.execute("UPDATE counters SET value = :d WHERE name = 'movies_deleted'", d=deleted)
    old.close()
    database = open_database(old_settings)
    with database.write() as connection:
        assert movies.create(connection, "Mine", None, None, now=1.0).id == expected
    database.close()


keys = st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 6]))
steps = st.one_of(
    st.tuples(
        st.just("import"), st.dictionaries(keys, st.sampled_from([1.0, 3.0, 5.0]), min_size=1, max_size=5)
    ),
    st.tuples(st.just("rate"), st.tuples(keys, st.sampled_from([0.5, 4.5]))),
    st.tuples(st.just("forget"), st.none()),
)


@given(history=st.lists(steps, min_size=1, max_size=10))
@settings(max_examples=int(os.environ.get("MATINEE_TEST_NUMBERS", "10")), deadline=None)
def test_whatever_the_first_version_did_no_undo_touches_another_import(
    tmp_path_factory: pytest.TempPathFactory, history: list[Any]
) -> None:
    found = Settings(data_dir=tmp_path_factory.mktemp("old"), embedded_worker=False)
    old = FirstVersion(found)
    for step, what in history:
        if step == "import":
            old.import_ratings(what)
        elif step == "rate":
            (user, movie), score = what
            old.rate(user, movie, score)
        else:
            old.forget_tasks()
    old.close()
    database = open_database(found, durable=False)
    for written in reversed(old.imports):
        before = ratings(database)
        with database.read() as connection:
            try:
                undo.check(connection, written.id)
            except Conflict as reason:
                assert "cannot be told from" in reason.detail
                continue
        assert undone(database, found, written.id).status == "complete"
        mine = {key for key in before if old.owner[key] == written.id}
        expected = {key: row for key, row in before.items() if key not in mine}
        expected |= {key: row for key in mine if (row := written.before[key]) is not None}
        assert ratings(database) == expected
        old.owner |= {key: written.owners[key] for key in mine}
    assert counts_are_right(database)
    assert next_seq(database) > max((w.seq for w in old.imports), default=0)
    database.close()

"""What is kept for the undo of an import goes with its task, and numbers are never given again."""

import os
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.config import Settings
from app.errors import Conflict, NotFound
from app.imports import undo
from app.rating import Rating
from app.repository import keys as key_queries
from app.repository import movies, tasks
from app.repository import ratings as rating_queries
from app.repository.import_order import IMPORT_RATINGS, UNDO_IMPORT
from app.storage import Database
from app.storage.schema import SCORED, metadata
from app.task import Task
from app.tasks import retention
from tests.imports.conftest import Import, Undo, counts_are_right, queue, ratings, table
from tests.imports.test_undo import HEADER, MOVIES, A, B

pytestmark = pytest.mark.usefixtures("catalogue")
KEPT = ("rating_before_images", "catalogue_before_images", "later_writes")
LATER = 2_000_000_000.0


def kept(database: Database) -> dict[str, int]:
    return {name: len(table(database, name)) for name in KEPT}


def rate(database: Database, user: int, movie: int, score: float) -> None:
    with database.write() as connection:
        rating_queries.put(connection, Rating(user, movie, score, 5000))


def refusal(database: Database, task_id: str) -> str:
    """Why an import cannot be undone, if so."""
    with database.read() as connection:
        try:
            undo.check(connection, task_id)
        except (Conflict, NotFound) as reason:
            return reason.detail
    return ""


@pytest.fixture
def imported(run_import: Import, database: Database) -> Task:
    """An import that has kept something of each sort."""
    run_import(A)
    task = run_import(B)
    rate(database, 2, 2, 0.5)
    run_import(MOVIES)
    assert all(kept(database).values())
    return task


def test_what_an_undo_needs_goes_with_the_task(
    imported: Task, database: Database, engine_settings: Settings
) -> None:
    key = key_queries.Key("POST /imports", "k", "f")
    with database.write() as connection:
        key_queries.claim(connection, key, now=1.0)
        key_queries.keep(connection, key, key_queries.Answer(202, {}, "{}", imported.id))
    before = ratings(database)
    assert retention.clean(database, engine_settings, now=LATER)
    for name in (*KEPT, "tasks", "task_events", "idempotency_keys"):
        assert table(database, name) == []
    assert ratings(database) == before
    with database.read() as connection, pytest.raises(NotFound, match="kept for some time"):
        undo.check(connection, imported.id)
    with database.read() as connection:
        assert key_queries.find(connection, key) is None
    rate(database, 1, 1, 0.5)
    assert not any(kept(database).values())


def test_a_task_is_forgotten_with_all_of_it_at_once(imported: Task, database: Database) -> None:
    with database.write() as connection:
        assert len(tasks.forget(connection, before=LATER)) == 3
    assert not any(kept(database).values())
    assert table(database, "task_events") == []


def test_an_undo_leaves_what_a_forgotten_import_wrote(
    imported: Task, run_import: Import, run_undo: Undo, database: Database, engine_settings: Settings
) -> None:
    retention.clean(database, engine_settings, now=LATER)
    before = ratings(database)
    result = run_undo(run_import(HEADER + "9,1,5,1\n9,2,5,1\n1,2,1,9000\n")).result
    assert result is not None
    assert (result["deleted"], result["restored"]) == (2, 1)
    assert ratings(database) == before
    assert counts_are_right(database)


class Killed(BaseException):
    pass


def test_a_kill_between_two_steps_leaves_no_half_of_an_undo(
    run_import: Import, database: Database, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.imports.retention.ROWS", 1)
    run_import(A)
    imported = run_import(B)
    assert refusal(database, imported.id) == ""
    whole = kept(database)
    kills, commits = 0, 0

    def kill(_connection: Any) -> None:
        nonlocal commits
        commits += 1
        if commits > kills:
            raise Killed

    states = []
    while True:
        commits = 0
        sa.event.listen(database.engine, "commit", kill)
        try:
            retention.clean(database, engine_settings, now=LATER)
            break
        except Killed:
            pass
        finally:
            sa.event.remove(database.engine, "commit", kill)
        kills += 1
        states.append(kept(database))
        if states[-1] != whole:
            assert "kept" in refusal(database, imported.id)
    assert len({str(state) for state in states}) > 2
    assert not any(kept(database).values())


def test_an_import_stays_as_long_as_its_undo_is_to_be_done(
    imported: Task, database: Database, engine_settings: Settings
) -> None:
    whole = kept(database)
    queue(database, None, "", UNDO_IMPORT, undo_of=imported.id)
    retention.clean(database, engine_settings, now=LATER)
    with database.read() as connection:
        left = tasks.listing(connection, limit=9)
    assert [task.kind for task in left] == [UNDO_IMPORT, IMPORT_RATINGS]
    assert left[1] == imported
    assert kept(database) == whole | {"catalogue_before_images": 0}


def test_a_long_clean_up_makes_way_and_goes_on(
    imported: Task, database: Database, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.imports.retention.ROWS", 1)
    seconds = iter(range(10_000))
    states = []
    while not retention.clean(database, engine_settings, now=LATER, monotonic=lambda: next(seconds)):
        states.append(sum(kept(database).values()))
    assert states == sorted(set(states), reverse=True)
    assert len(states) > 3
    assert not any(kept(database).values())


keys = st.tuples(st.integers(1, 3), st.integers(1, 3))
STEPS = st.one_of(
    st.tuples(st.just("import"), st.dictionaries(keys, st.sampled_from([1.0, 3.0]), min_size=1, max_size=4)),
    st.tuples(st.just("undo"), st.none()),
    st.tuples(st.just("rate"), st.tuples(keys, st.sampled_from([0.5, 4.5]))),
    st.tuples(st.just("retention"), st.none()),
    st.tuples(st.just("create"), st.none()),
    st.tuples(st.just("delete"), st.booleans()),
)


class History:
    """The steps, and what should come of them: rows with their owner, and what imports replaced."""

    def __init__(self, database: Database, found: Settings, run_import: Import, run_undo: Undo) -> None:
        self.database, self.settings = database, found
        self.run_import, self.run_undo = run_import, run_undo
        self.rows: dict[tuple[int, int], tuple[float, str | None]] = {}
        self.imports: list[tuple[Task, dict[tuple[int, int], Any]]] = []
        self.movies: list[int] = []
        self.given: dict[str, list[int]] = {"task": [], "movie": []}
        self.at = 1_000

    def take(self, step: str, what: Any) -> None:
        getattr(self, step.replace("import", "import_ratings"))(what)
        assert {k: row[0] for k, row in ratings(self.database).items()} == {
            k: row[0] for k, row in self.rows.items()
        }

    def import_ratings(self, scores: dict[tuple[int, int], float]) -> None:
        self.at += 10_000
        text = HEADER + "".join(f"{u},{m},{score},{self.at}\n" for (u, m), score in scores.items())
        task = self.run_import(text)
        self.given["task"].append(task.seq)
        self.imports.append((task, {key: self.rows.get(key) for key in scores}))
        self.rows |= {key: (score, task.id) for key, score in scores.items()}

    def undo(self, _: None) -> None:
        if self.imports:
            task, before = self.imports.pop()
            done = self.run_undo(task)
            assert done.status == "complete"
            self.given["task"].append(done.seq)
            for key, row in before.items():
                if self.rows.get(key, (0.0, None))[1] == task.id:
                    self.rows.pop(key)
                    self.rows |= {} if row is None else {key: row}

    def rate(self, what: tuple[tuple[int, int], float]) -> None:
        (user, movie), score = what
        rate(self.database, user, movie, score)
        with self.database.write() as connection:  # older than any import's row
            where = sa.text("UPDATE ratings SET rated_at = 1 WHERE user_id = :u AND movie_id = :m")
            connection.execute(where, {"u": user, "m": movie})
        self.rows[user, movie] = (score, None)

    def retention(self, _: None) -> None:
        retention.clean(self.database, self.settings, now=LATER)
        self.imports.clear()

    def create(self, _: None) -> None:
        with self.database.write() as connection:
            self.movies.append(movies.create(connection, "Film", None, None, now=1.0).id)
        self.given["movie"].append(self.movies[-1])

    def delete(self, newest: bool) -> None:
        if self.movies:
            with self.database.write() as connection:
                movies.delete(connection, self.movies.pop(-1 if newest else 0), force=True)


@given(steps=st.lists(STEPS, min_size=1, max_size=12))
@settings(
    max_examples=int(os.environ.get("MATINEE_TEST_NUMBERS", "8")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_numbers_never_repeat_and_no_undo_touches_another_import(
    database: Database, engine_settings: Settings, run_import: Import, run_undo: Undo, steps: list[Any]
) -> None:
    with database.write() as connection:
        for name in ("ratings", "tasks", "task_events", *KEPT):
            connection.execute(metadata.tables[name].delete())
        counts = dict.fromkeys(
            ("rating_count", "rating_sum", *(column.name for column in SCORED.values())), 0
        )
        connection.execute(metadata.tables["movies"].update().values(counts))
    history = History(database, engine_settings, run_import, run_undo)
    for step, what in steps:
        history.take(step, what)
    assert counts_are_right(database)
    for numbers in history.given.values():
        assert numbers == sorted(set(numbers))
    retention.clean(database, engine_settings, now=LATER)
    assert not any(kept(database).values())

"""Undoing an import: the state before it comes back, what was written since stays."""

import csv
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.config import Settings
from app.errors import Conflict, NotFound
from app.imports import undo
from app.imports.kinds import has_begun
from app.rating import Rating
from app.repository import movies, tasks
from app.repository import ratings as rating_queries
from app.storage import Database
from app.task import Task
from tests.imports.conftest import Import, Undo, counts_are_right, ratings, table
from tests.imports.rejected import rejects_of

pytestmark = pytest.mark.usefixtures("catalogue")
HEADER = "user_id,movie_id,score,rated_at\n"
A = HEADER + "1,1,1,1000\n1,2,2,1000\n2,1,3,1000\n3,3,3,3000\n"
B = HEADER + "1,1,5,2000\n1,2,2,2000\n2,2,4,1000\n3,3,4,1000\n4,1,1,1\n"
MOVIES = "id,title,year,genre\n1,Other,1999,Drama\n11,New,,\n12,Newer,,\n2,Film 2,,\n"


def digest(database: Database) -> dict[str, Any]:
    names = ("ratings", "movies", "links", "rating_before_images", "catalogue_before_images", "later_writes")
    return {name: table(database, name) for name in names}


def check(database: Database, task: Task) -> None:
    with database.read() as connection:
        undo.check(connection, task.id)


def test_the_state_before_the_import_comes_back(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    run_import(A)
    before = digest(database)
    task = run_undo(run_import(B))
    assert digest(database) == before
    assert counts_are_right(database)
    assert task.result is not None
    assert (task.result["deleted"], task.result["restored"], task.result["kept"]) == (2, 2, 0)


def test_movies_and_links_go_back_too(run_import: Import, run_undo: Undo, database: Database) -> None:
    before = digest(database)
    first = run_import(MOVIES)
    middle = digest(database)
    second = run_import("movieId,imdbId,tmdbId\n11,1,1\n2,3,4\n")
    run_undo(second)
    assert digest(database) == middle
    run_undo(first)
    assert digest(database) == before


def test_later_writes_are_kept_and_listed(
    run_import: Import, run_undo: Undo, database: Database, engine_settings: Settings
) -> None:
    run_import(A)
    task = run_import(B)
    with database.write() as connection:
        rating_queries.put(connection, Rating(1, 1, 0.5, 5000))  # it had replaced one
        rating_queries.put(connection, Rating(2, 2, 0.5, 5000))  # it was new
        rating_queries.delete(connection, 4, 1)
    ended = run_undo(task)
    assert ended.result is not None
    assert (ended.result["deleted"], ended.result["restored"], ended.result["kept"]) == (0, 1, 3)
    later = {(1, 1): (0.5, 5000), (2, 2): (0.5, 5000)}
    assert ratings(database) == {(1, 2): (2.0, 1000), (2, 1): (3.0, 1000), (3, 3): (3.0, 3000)} | later
    assert counts_are_right(database)
    file = io.StringIO(rejects_of(engine_settings, ended.id) or "", newline="")
    assert [row["value"] for row in csv.DictReader(file)] == ["1,1", "2,2", "4,1"]


def test_movies_that_are_in_use_are_kept(run_import: Import, run_undo: Undo, database: Database) -> None:
    task = run_import(MOVIES)
    with database.write() as connection:
        rating_queries.put(connection, Rating(1, 11, 4.0, 1000))
        movies.replace(connection, 1, "Mine", None, None)
    ended = run_undo(task)
    assert ended.result is not None
    assert (ended.result["deleted"], ended.result["kept"]) == (1, 2)
    with database.read() as connection:
        assert set(movies.by_ids(connection, [1, 11, 12])) == {1, 11}


def test_imports_are_undone_newest_first_and_once(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    first, second, same = run_import(A), run_import(B), run_import(B)
    with pytest.raises(Conflict, match=f"{second.id} is newer"):
        check(database, first)
    with pytest.raises(Conflict, match="changed nothing"):
        check(database, same)
    run_undo(second)
    with pytest.raises(Conflict, match="undone already"):
        check(database, second)
    run_undo(first)
    assert ratings(database) == {}
    with database.read() as connection, pytest.raises(NotFound):
        undo.check(connection, "nothing")


def test_an_undo_that_cannot_be_any_more_fails_with_the_reason(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    task = run_import(A)
    run_undo(task)
    again = run_undo(task)
    assert again.status == "failed"
    assert again.error is not None
    assert "undone already" in again.error["detail"]


rows = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 10), st.integers(1, 4)),
    min_size=1,
    max_size=12,
)


@given(files=st.lists(rows, min_size=1, max_size=4), chunk=st.integers(1, 5))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_undone_one_by_one_every_state_comes_back(
    run_import: Import, run_undo: Undo, database: Database, files: list[Any], chunk: int
) -> None:
    start = digest(database)
    states, imported = [], []
    for file in files:
        states.append(digest(database))
        text = HEADER + "".join(f"{u},{m},{s / 2},{t}\n" for u, m, s, t in file)
        imported.append(run_import(text, chunk=chunk))
    for task, state in reversed(list(zip(imported, states, strict=True))):
        if has_begun(task):
            run_undo(task, chunk=chunk)
        assert digest(database) == state
        assert counts_are_right(database)
    assert digest(database) == start


def test_the_undo_is_a_task_of_its_own(run_import: Import, run_undo: Undo, database: Database) -> None:
    task = run_import(A)
    ended = run_undo(task)
    with database.read() as connection:
        assert tasks.get(connection, task.id) == task
    assert ended.kind == "undo_import"
    assert ended.result is not None
    assert ended.result["undo_of"] == task.id

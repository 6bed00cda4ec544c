"""A cancel between the writes of an import and what ends with its movies, and what may follow it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.imports import import_ratings
from app.imports.kinds import MISSING
from app.repository import tasks
from app.storage import Database
from app.task import CANCELLED, Task
from app.tasks import retry
from app.tasks.execution import execute
from tests.imports import test_arrivals as arrivals
from tests.imports.conftest import NOW, attempt, counts_are_right, queue
from tests.merging import SMALL, found, run, undone

town = arrivals.town
pytestmark = pytest.mark.usefixtures("catalogue")
EXPECTED = {"new": 10, "taken_over": 2, "arrived": 4}


def cancelled(database: Database, settings: Settings, task: Task, at: int) -> Task:
    """Run a queued import that is cancelled as its transaction number `at` begins, if it has so many."""
    first = attempt(database, settings)
    transaction, begun = first.transaction, iter(range(1, 1000))

    @contextmanager
    def asked(**options: Any) -> Iterator[Any]:
        if next(begun) == at:
            with database.write() as connection:
                tasks.request_cancel(connection, task.id, now=NOW)
        with transaction(**options) as connection:
            yield connection

    first.transaction = asked  # type: ignore[method-assign]
    execute(first, lambda one: import_ratings.run(one, SMALL))
    return found(database, task)


@pytest.mark.parametrize("at", range(4, 19, 3))
def test_a_cancelled_import_goes_on_where_it_was_or_is_undone(
    town: Database, engine_settings: Settings, tmp_path: Path, at: int
) -> None:
    before, settings = arrivals.digest(town), replace(engine_settings, import_chunk=2)
    path = tmp_path / "upload"
    path.write_bytes(arrivals.RELEASE)
    task = cancelled(town, settings, queue(town, path, "ml.zip", create=MISSING), at)
    assert counts_are_right(town)
    if task.status == CANCELLED:
        with town.write() as connection:
            retry.retry(connection, task.id, None)
        task = run(town, settings, task, import_ratings.run)
    assert arrivals.figures(task) == EXPECTED
    assert counts_are_right(town)
    undo = undone(town, engine_settings, task)
    assert undo.result is not None and undo.result["kept"] == 0, undo.error
    assert arrivals.digest(town) == before


@pytest.mark.parametrize("at", [7, 11])
def test_what_a_cancelled_import_has_left_is_ended_by_the_next_one_and_undone_by_its_own_undo(
    town: Database, engine_settings: Settings, tmp_path: Path, at: int
) -> None:
    before, settings = arrivals.digest(town), replace(engine_settings, import_chunk=2)
    path = tmp_path / "upload"
    path.write_bytes(arrivals.RELEASE)
    first = cancelled(town, settings, queue(town, path, "ml.zip", create=MISSING), at)
    assert first.status == CANCELLED
    again = run(town, settings, queue(town, path, "ml.zip", create=MISSING), import_ratings.run)
    ends = [((one.checkpoint or {}).get("figures") or one.result or {}) for one in (first, again)]
    assert [sum(one[name] for one in ends) for name in ("taken_over", "arrived")] == [2, 4]
    assert counts_are_right(town)
    for task in (again, first):
        undo = undone(town, engine_settings, task)
        assert undo.result is not None and undo.result["kept"] == 0, undo.error
    assert arrivals.digest(town) == before
    assert counts_are_right(town)

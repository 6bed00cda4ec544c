"""Running merges and their undos in ranges of two rows, and killing them in between."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from app.config import Settings
from app.imports import undo_import
from app.imports.kinds import UNDO, UndoParams
from app.imports.sizes import Sizes
from app.repository import leases, tasks
from app.storage import Database
from app.task import Task
from app.tasks.execution import execute
from app.tasks.start import queue
from tests.imports.conftest import NOW, attempt

SMALL = Sizes(undo_rows=2, catalogue_rows=2)
Work = Callable[..., None]


class Killed(BaseException):
    pass


def found(database: Database, task: Task) -> Task:
    with database.read() as connection:
        now = tasks.get(connection, task.id)
    assert now is not None
    return now


def run(database: Database, settings: Settings, task: Task, work: Work) -> Task:
    """Run a queued task: it has ended."""
    execute(attempt(database, settings), partial(work, sizes=SMALL))
    return found(database, task)


def undone(database: Database, settings: Settings, task: Task, *, kill_at: int = 0) -> Task:
    """The undo of a task, which has ended, maybe after one kill."""
    with database.write() as connection:
        undo = queue(connection, UNDO.name, UndoParams(task.id))
    if kill_at:
        return run_killed(database, settings, undo, undo_import.run, kill_at)
    return run(database, settings, undo, undo_import.run)


def run_killed(database: Database, settings: Settings, task: Task, work: Work, at: int) -> Task:
    """Run a queued task that is killed before its transaction number `at`, if it has so many."""
    steps, first = killing_at(at), attempt(database, settings)
    transaction = first.transaction

    def killed_after(**options: Any) -> Any:
        next(steps)
        return transaction(**options)

    first.transaction = killed_after  # type: ignore[method-assign]
    try:
        work(first, SMALL)
    except Killed:
        with database.write() as connection:
            leases.take_up(connection, None, crashes=5, now=NOW)
        return run(database, settings, task, work)
    return found(database, task)


def killing_at(step: int) -> Iterator[None]:
    for _ in range(1, step):
        yield
    raise Killed

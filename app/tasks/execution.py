"""Running one attempt to its end, whatever that is, and writing down how it ended."""

import errno
import importlib
import logging
import random
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError

from app.errors import AppError, StorageFull, Unavailable
from app.repository import tasks
from app.tasks.attempt import Attempt, Cancelled, Stopped
from app.tasks.task import CANCELLED, FAILED, IMPORT_RATINGS, QUEUED, REBUILD_MODEL, UNDO_IMPORT

KINDS = {
    IMPORT_RATINGS: "app.tasks.import_ratings",
    UNDO_IMPORT: "app.tasks.undo_import",
    REBUILD_MODEL: "app.tasks.rebuild_model",
}
"""The module of each kind; its `run(attempt)` does the work and completes the task."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a task that failed for the moment is tried again; doubled each time, with jitter."""

log = logging.getLogger("matinee.worker")


def execute(attempt: Attempt) -> None:
    """Run one attempt. What it raises decides how the task goes on; only a lost lock or process ends here."""
    task, started = attempt.task, attempt.clock()
    log.info("task %s (%s) attempt %d", task.id, task.kind, task.attempt)
    try:
        importlib.import_module(KINDS[task.kind]).run(attempt)
    except Stopped:
        _end(attempt, {"status": QUEUED})
    except Cancelled:
        _end(attempt, {"status": CANCELLED, "finished_at": attempt.clock()})
    except tasks.Fenced as reason:
        log.warning("%s", reason)
    except Exception as error:
        _fail(attempt, error)
    log.info("task %s ended after %.2f s", task.id, attempt.clock() - started)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: the engine or the disk said no for the moment."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
    return isinstance(error, OperationalError | Unavailable | StorageFull)


def _fail(attempt: Attempt, error: Exception) -> None:
    now, settings = attempt.clock(), attempt.settings
    if not isinstance(error, AppError):
        log.exception("task %s failed", attempt.task.id)
    problem = error.problem() if isinstance(error, AppError) else _unexpected(error).problem()
    values: dict[str, Any] = {"status": FAILED, "error": problem, "finished_at": now}
    if is_transient(error):
        failures = _failures(attempt) + 1
        if failures < settings.task_attempts:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)) * random.uniform(0.5, 1)  # noqa: S311
            values = {"status": QUEUED, "failures": failures, "not_before": now + pause}
    _end(attempt, values, text=f"attempt {attempt.task.attempt}: {problem['detail']}")


def _unexpected(error: Exception) -> AppError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("The disk of the data directory is full. Make room and try again.")
    # The text of a database error holds the statement and its values: they are for the log.
    original = getattr(error, "orig", None) or error
    return AppError(f"{type(original).__name__}: {original}")


def _failures(attempt: Attempt) -> int:
    with attempt.database.read() as connection:
        task = tasks.get(connection, attempt.task.id)
    return task.failures if task else 0


def _end(attempt: Attempt, values: dict[str, Any], *, text: str = "") -> None:
    """Write down the end. What the engine raises here ends the worker; the next one takes the task up."""
    task, now = attempt.task, attempt.clock()
    try:
        with attempt.database.write() as connection:
            if text:
                tasks.advance(connection, task, {}, now=now)  # fenced before it tells
                tasks.tell(connection, task, "log", {"level": "error", "text": text}, now=now)
            what = tasks.history(connection, task)
            if values["status"] == FAILED and len(what) > 1:
                values = values | {"error": values["error"] | {"errors": what}}
            tasks.advance(connection, task, values, now=now)
    except tasks.Fenced as reason:
        log.warning("%s", reason)

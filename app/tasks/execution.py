"""Running one attempt to its end, whatever that is, and writing down how it ended."""

import errno
import logging
import random
from collections.abc import Callable
from contextlib import closing
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError

from app import logs, traces
from app.errors import AppError, StorageFull, Unavailable
from app.repository import task_events, task_totals, tasks
from app.repository.task_changes import Why
from app.storage.failures import explain, failure, trace
from app.task import CANCELLED, FAILED, QUEUED
from app.tasks.attempt import Attempt, Cancelled, Stopped

STOPPED = Why("stopped at a safe point", is_fault=False)

log = logging.getLogger("matinee.worker")


def execute(attempt: Attempt, run: Callable[[Attempt], None] | None = None) -> None:
    """Run one attempt. What it raises decides how the task goes on; only a lost lock or process ends here.

    `run`: what is done instead of the work of its kind.
    """
    task = attempt.task
    belongs = {"request_id": task.request_id, "task_id": task.id, "attempt": task.attempt}
    queued = (task.created_at, attempt.clock()) if task.attempt == 1 else None
    with (
        logs.belonging(**belongs, user_id=task.owner),
        traces.attempt(task.kind, task.traceparent, queued, **belongs),
    ):
        _run(attempt, run or _work)


def _run(attempt: Attempt, run: Callable[[Attempt], None]) -> None:
    try:
        with closing(attempt.phases):
            run(attempt)
    except Stopped:
        _end(attempt, QUEUED, why=STOPPED)
    except Cancelled:
        _end(attempt, CANCELLED, {"finished_at": attempt.clock()})
    except tasks.Fenced as reason:
        _note_fenced(attempt, reason)
    except Exception as error:
        _fail(attempt, error)
    attempt.work_on(None)


def _work(attempt: Attempt) -> None:
    attempt.work_on(attempt.kind.longest_silence)
    attempt.kind.run(attempt)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: the engine or the disk refused for a passing reason."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
    return isinstance(error, OperationalError | Unavailable | StorageFull)


def _fail(attempt: Attempt, error: Exception) -> None:
    now, settings = attempt.clock(), attempt.settings
    problem = _problem(attempt, error).problem()
    text = f"attempt {attempt.task.attempt}: {problem['detail']}"
    failed: dict[str, Any] = {"error": problem, "finished_at": now}
    if not is_transient(error):
        _end(attempt, FAILED, failed, text=text, why=Why(problem["detail"]))
        return
    failures = _failures(attempt) + 1
    first, longest = attempt.kind.pauses
    pause = min(longest, first * 2 ** (failures - 1)) * random.uniform(0.5, 1)  # noqa: S311
    if failures < settings.task_attempts:
        why = Why(f"met a passing fault ({problem['detail']})", f" and is tried again in {pause:.1f} s")
        _end(attempt, QUEUED, {"failures": failures, "not_before": now + pause}, text=text, why=why)
    else:
        _end(attempt, FAILED, failed, text=text, unless_cancelled=True, why=Why(problem["detail"]))


def _problem(attempt: Attempt, error: Exception) -> AppError:
    """What the task's error says, and the log where that is not the whole story."""
    if isinstance(error, AppError):
        return error
    problem = failure(error)
    if problem is not None and problem.status >= 500:
        log.error("task %s: %s (%s)", attempt.task.id, problem.detail, explain(error))
        return problem
    log.error("task %s failed\n%s", attempt.task.id, trace(error))
    return AppError(explain(error))


def _failures(attempt: Attempt) -> int:
    with attempt.database.read() as connection:
        task = tasks.get(connection, attempt.task.id)
    return task.failures if task else 0


def _end(
    attempt: Attempt,
    to: str,
    values: dict[str, Any] | None = None,
    *,
    text: str = "",
    why: Why | None = None,
    unless_cancelled: bool = False,
) -> None:
    """Write down the end. What the engine raises here ends the worker; the next one takes the task up.

    A task that is to be queued again, or that has to end so `unless_cancelled`, is cancelled if that was
    asked for meanwhile.
    """
    task, now, values = attempt.task, attempt.clock(), values or {}
    move = tasks.leave if to == QUEUED or unless_cancelled else tasks.move
    try:
        with attempt.database.write() as connection:
            if text:
                tasks.advance(connection, task, {})  # fenced before it tells
                task_events.tell(connection, task, "log", {"level": "error", "text": text}, now=now)
            what = task_events.history(connection, task)
            if to == FAILED and len(what) > 1:
                values = values | {"error": values["error"] | {"errors": what}}
            move(connection, task, to, values, now=now, why=why)
    except tasks.Fenced as reason:
        _note_fenced(attempt, reason)


def _note_fenced(attempt: Attempt, reason: tasks.Fenced) -> None:
    log.warning("%s", reason)
    with attempt.database.write() as connection:
        task_totals.add(connection, [(attempt.task.kind, task_totals.FENCED, "", 1.0)])

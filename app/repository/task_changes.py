"""What every change of a task's status leaves: an event of its timeline, a line of the log, and totals.

The lines alone tell the story of a task: where it stopped, why, and who went on where.
"""

import logging
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from app import logs
from app.repository import task_events, task_totals
from app.storage.database import after_commit, database_of
from app.task import CANCELLED, CANCELLING, COMPLETE, FAILED, QUEUED, RUNNING, Task

log = logging.getLogger("matinee.tasks")

READ_AGAIN = "bytes"
"""What is counted in this unit is read again by the next attempt, which then goes on at the checkpoint."""


class Why(NamedTuple):
    """Why an attempt ended before its work was done, as `text at row 1,262,237then; who goes on there`."""

    text: str
    then: str = ""
    who: str = "the next worker"
    is_fault: bool = True


def tell(connection: Connection, before: Task | None, task: Task, now: float, why: Why | None = None) -> None:
    """Tell of a change, in its transaction; the line is written once that is committed.

    `before`: None if the task is new. What is for workers to do is announced to them.
    """
    data = {"status": task.status, "attempt": task.attempt, "worker": task.worker}
    task_events.tell(connection, task, "status", data, now=now)
    task_totals.note(connection, task, now)
    if task.status in (QUEUED, CANCELLING):
        database_of(connection).workers.announce(connection)
    text, own = _text(before, task, now, why), _fields(task)
    level = logging.WARNING if why is not None and why.is_fault else logging.INFO
    after_commit(connection, lambda: log.log(level, "task %s (%s) %s", task.id, task.kind, text, extra=own))


def _fields(task: Task) -> dict[str, Any]:
    """What the line belongs to: the task, and the request that started it, even if another changes it now."""
    fields = {"task_id": task.id, "attempt": task.attempt, "status": task.status, "kind": task.kind}
    fields |= {"request_id": task.request_id, "user_id": task.owner}
    if (by := logs.current().get("request_id")) not in (None, task.request_id):
        fields["changed_by_request_id"] = by
    return {"fields": {name: value for name, value in fields.items() if value is not None}}


def _text(before: Task | None, task: Task, now: float, why: Why | None) -> str:
    if task.status == QUEUED:
        return _queued(before, task, why)
    if task.status == FAILED:
        return f"has failed{_at(task)}: {why.text if why else (task.error or {}).get('detail')}"
    again = task.attempt > 1
    return {
        RUNNING: f"begins on worker {task.worker}"
        + (f" with attempt {task.attempt}; {_goes_on(task, 'it')}" if again else ""),
        CANCELLING: "is to be cancelled at its next safe point",
        CANCELLED: f"is cancelled{_at(task) if task.attempt else ' before it began'}",
        COMPLETE: f"is complete, {now - (task.started_at or now):,.1f} s after it began"
        + (f", in {task.attempt} attempts" if again else ""),
    }[task.status]


def _queued(before: Task | None, task: Task, why: Why | None) -> str:
    if before is None:
        return "is queued"
    if why is None:
        return f"is to be tried again; {_goes_on(task, 'the next worker')}"
    return f"{why.text}{_at(task)}{why.then}; {_goes_on(task, why.who)}"


def _at(task: Task) -> str:
    """Where the task is, as ` at row 1,262,237`; empty before it has counted anything."""
    return f" at {task.unit.removesuffix('s')} {task.done:,}" if task.unit and task.done else ""


def _goes_on(task: Task, who: str) -> str:
    if task.checkpoint is None:
        return f"{who} starts over"
    if task.unit == READ_AGAIN or not task.done:
        return f"{who} goes on at the checkpoint"
    return f"{who} goes on there" if who != "it" else f"it goes on{_at(task)}"

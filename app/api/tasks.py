"""Tasks over HTTP: one resource for everything that runs in the background."""

import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, Header, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import (
    Cursor,
    Limit,
    ServiceDependency,
    accepted,
    decode_cursor,
    link_next,
    poll_again,
)
from app.api.feed import Feed
from app.errors import NotFound
from app.repository import tasks
from app.service import Service
from app.tasks.retry import retry
from app.tasks.task import Task

router = APIRouter(prefix="/tasks", tags=["tasks"])

LONGEST_WAIT = 60
EVENTS_AT_ONCE = 500

Status = Literal["queued", "running", "cancelling", "complete", "failed", "cancelled"]
Kind = Literal["import_ratings", "undo_import", "rebuild_model"]


class Started(BaseModel):
    task_id: str
    status: str


class Progress(BaseModel):
    phase: str | None
    done: int
    total: int | None
    unit: str | None
    message: str | None
    rate: float | None
    eta_seconds: float | None


class TaskAnswer(BaseModel):
    task_id: str
    kind: Kind
    status: Status
    progress: Progress
    attempt: int
    worker: str | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def task_answer(task: Task) -> dict[str, Any]:
    """The public form of a task."""
    progress = {name: getattr(task, name) for name in ("phase", "done", "total", "unit", "message", "rate")}
    return {
        "task_id": task.id,
        "kind": task.kind,
        "status": task.status,
        "progress": progress | {"eta_seconds": task.eta, "message": task.left_behind or task.message},
        "attempt": task.attempt,
        "worker": task.worker,
        "result": task.result,
        "error": task.error,
        "created_at": _time(task.created_at),
        "started_at": _time(task.started_at),
        "finished_at": _time(task.finished_at),
    }


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def find_task(service: Service, task_id: str) -> Task:
    with service.database.read() as connection:
        task = tasks.get(connection, task_id)
    if task is None:
        raise NotFound(f"There is no task {task_id[:100]!r}. GET /tasks lists them.")
    return task


async def _feed(request: Request) -> Feed:
    return request.app.state.feed  # type: ignore[no-any-return]


async def _existing(task_id: str, service: ServiceDependency) -> Task:
    """The task, or a 404 before any answer has begun."""
    return await run_in_threadpool(find_task, service, task_id)


FeedDependency = Annotated[Feed, Depends(_feed)]
ExistingTask = Annotated[Task, Depends(_existing)]


@router.get("", response_model=list[TaskAnswer])
def list_tasks(
    request: Request,
    response: Response,
    service: ServiceDependency,
    kind: Kind | None = None,
    status: Status | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Newest first."""
    before = decode_cursor(cursor, 1)
    with service.database.read() as connection:
        found = tasks.listing(
            connection, limit=limit, before=before[0] if before else None, kind=kind, status=status
        )
    if len(found) == limit:
        link_next(request, response, found[-1].seq)
    return [task_answer(task) for task in found]


@router.get("/{task_id}", response_model=TaskAnswer)
async def get_task(
    task_id: str,
    response: Response,
    service: ServiceDependency,
    feed: FeedDependency,
    prefer: Annotated[
        str, Header(description="wait=N: answer when it has ended, after N seconds at the latest")
    ] = "",
) -> dict[str, Any]:
    """How far it is. With `Prefer: wait=N` (RFC 7240, section 4.3) a long poll."""
    task = await run_in_threadpool(find_task, service, task_id)
    if match := re.search(r"\bwait=(\d{1,4})", prefer):
        seconds = min(int(match[1]), LONGEST_WAIT)
        response.headers["Preference-Applied"] = f"wait={seconds}"
        deadline = time.monotonic() + seconds
        while not task.ended and not feed.closing.is_set() and (left := deadline - time.monotonic()) > 0:
            await feed.wait(min(left, 2.0))
            task = await run_in_threadpool(find_task, service, task_id)
    poll_again(response, task)
    return task_answer(task)


@router.post("/{task_id}/cancel", response_model=TaskAnswer)
def cancel_task(task_id: str, background: BackgroundTasks, service: ServiceDependency) -> dict[str, Any]:
    """Cancel it: at once while it is queued, within a second while it runs. An ended one stays as it is."""
    find_task(service, task_id)
    with service.database.write() as connection:
        task = tasks.request_cancel(connection, task_id, now=time.time())
    if task is None:
        raise NotFound(f"Task {task_id!r} was removed meanwhile.")
    background.add_task(service.wake_worker)
    return task_answer(task)


@router.post("/{task_id}/retry", status_code=202, response_model=Started)
def retry_task(
    task_id: str, response: Response, background: BackgroundTasks, service: ServiceDependency
) -> dict[str, Any]:
    """Try a failed or cancelled task again. An import or undo that has written goes on from there.

    Everything else starts over. 409 with the reason if it can no longer go on.
    """
    task = retry(service.database, service.settings, task_id)
    background.add_task(service.wake_worker)
    return accepted(response, task, f"/tasks/{task.id}", replayed=False)


@router.get("/{task_id}/events", response_class=EventSourceResponse)
async def task_events(
    service: ServiceDependency,
    feed: FeedDependency,
    task: ExistingTask,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """The timeline, from its start or behind `Last-Event-ID`, until the task has ended."""
    after = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    while True:
        current = await run_in_threadpool(find_task, service, task.id)
        events = await run_in_threadpool(_events, service, task.seq, after)
        for event in events:
            after = event.number
            yield ServerSentEvent(data={"at": event.at} | event.data, event=event.type, id=str(event.number))
        if len(events) == EVENTS_AT_ONCE:
            continue
        if current.ended or feed.closing.is_set():
            break
        await feed.wait()
    if current.ended:
        yield ServerSentEvent(data={"status": current.status}, event="end")


def _events(service: Service, seq: int, after: int) -> list[tasks.Event]:
    with service.database.read() as connection:
        return tasks.events(connection, seq, after=after, limit=EVENTS_AT_ONCE)

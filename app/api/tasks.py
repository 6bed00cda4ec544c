"""Tasks over HTTP: the resource for everything that runs in the background."""

import math
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool

from app.api.answers import refusals, sends
from app.api.dependencies import Cursor, Limit, ServiceDependency, decode_cursor, link_next, poll_again
from app.api.edge.manners import Manner, served
from app.api.edge.places import place
from app.api.edge.rules import OWN_TASK, VIEWER, CallerDependency
from app.api.feed import Feed, is_end
from app.api.idempotency import OnceDependency, Reply, accepted
from app.api.task_kinds import Kind, KnownKind, Parameters
from app.api.values import TaskId
from app.errors import Forbidden, NotFound, Unauthorized
from app.repository import task_events as timeline
from app.repository import tasks
from app.service import Service
from app.task import ENDED, Task
from app.tasks.kinds import kind_of
from app.tasks.retry import missing_of, retry

router = APIRouter(prefix="/tasks", tags=["tasks"])

NO_TASK = refusals(NotFound="There is no such task")

LONGEST_WAIT = 60
"""Seconds of a long poll at most."""
LOOK_AGAIN = 30.0
"""Seconds after which a stream looks whether its caller may still read it, with the door open."""
EVENTS_AT_ONCE = 500
"""Events that a stream reads from the database in one query."""

Status = Literal["queued", "running", "cancelling", "complete", "failed", "cancelled"]


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
    """`params`: what it was asked to do, by its kind; of a file the name, the size in bytes and the SHA-256.

    `started_by`: the person who asked for it; null with the door closed, on the command line and by schedule.
    """

    task_id: str
    kind: Kind
    params: Parameters
    started_by: int | None
    status: Status
    progress: Progress
    attempt: int
    worker: str | None
    written: int | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def task_answer(task: Task) -> dict[str, Any]:
    """The public form of a task."""
    kind = kind_of(task.kind)
    shown = kind.shown(task)
    progress = {name: getattr(task, name) for name in ("phase", "done", "total", "unit", "message", "rate")}
    return {
        "task_id": task.id,
        "kind": task.kind,
        "params": kind.shown_params(task),
        "started_by": task.owner,
        "status": task.status,
        "progress": progress | {"eta_seconds": task.eta, "message": shown.left_behind or task.message},
        "attempt": task.attempt,
        "worker": task.worker,
        "written": shown.written,
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
        return _found(tasks.get(connection, task_id), task_id)


def _found(task: Task | None, task_id: str) -> Task:
    if task is None:
        raise NotFound(f"There is no task {task_id[:100]!r}. GET /tasks lists them.")
    return task


async def _feed(request: Request) -> Feed:
    return request.app.state.feed  # type: ignore[no-any-return]


async def _existing(request: Request, task_id: TaskId, service: ServiceDependency) -> Task:
    """The task; a 404 is raised before the response begins."""
    async with place(request):
        return await run_in_threadpool(find_task, service, task_id)


FeedDependency = Annotated[Feed, Depends(_feed)]
ExistingTask = Annotated[Task, Depends(_existing)]


@router.get("", dependencies=[VIEWER], response_model=list[TaskAnswer])
def list_tasks(
    request: Request,
    response: Response,
    service: ServiceDependency,
    caller: CallerDependency,
    kind: Annotated[KnownKind | None, Query(description="tasks of this kind alone")] = None,
    status: Annotated[Status | None, Query(description="tasks in this state alone")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Newest first; a viewer's own alone."""
    (before,) = decode_cursor(cursor, 1) or (None,)
    with service.database.read() as connection:
        found = tasks.listing(
            connection, limit=limit, before=before, kind=kind, status=status, owner=caller.confined_to
        )
    link_next(request, response, limit, found, lambda last: (last.seq,))
    return [task_answer(task) for task in found]


@router.get(
    "/{task_id}", dependencies=[OWN_TASK], response_model=TaskAnswer, responses=sends("Retry-After") | NO_TASK
)
@served(Manner.WAITS)
async def get_task(
    request: Request,
    response: Response,
    service: ServiceDependency,
    feed: FeedDependency,
    task: ExistingTask,
    prefer: Annotated[
        str, Header(description="wait=N: respond when it has ended, after N seconds at the latest")
    ] = "",
) -> dict[str, Any]:
    """The task and its progress. `Prefer: wait=N` (RFC 7240, section 4.3) makes this a long poll."""
    if match := re.search(r"\bwait=(\d{1,4})", prefer):
        seconds = min(int(match[1]), LONGEST_WAIT)
        response.headers["Preference-Applied"] = f"wait={seconds}"
        if not task.ended:
            await _wait_for_end(request, service, feed, task, seconds)
            task = await _existing(request, task.id, service)
    poll_again(response, task)
    return task_answer(task)


async def _wait_for_end(request: Request, service: Service, feed: Feed, task: Task, seconds: float) -> None:
    """Return when the task has ended, when the server stops, or after `seconds`."""
    until = time.monotonic() + seconds
    with feed.subscribe(task.seq) as news:
        while not (await _existing(request, task.id, service)).ended:
            while not news.missed and not feed.closing.is_set():
                if (left := until - time.monotonic()) <= 0 or any(map(is_end, await news.wait(left))):
                    return
            if feed.closing.is_set():
                return
            news.missed = False


@router.post("/{task_id}/cancel", dependencies=[OWN_TASK], response_model=TaskAnswer, responses=NO_TASK)
def cancel_task(
    task_id: TaskId, background: BackgroundTasks, service: ServiceDependency, once: OnceDependency
) -> Any:
    """Cancel a task: at once while queued, within a second while running. An ended one stays as it is."""

    def cancel(connection: Connection) -> Reply:
        return Reply(task_answer(_found(tasks.request_cancel(connection, task_id, now=time.time()), task_id)))

    background.add_task(service.wake_worker)
    return once("", cancel)


@router.post(
    "/{task_id}/retry",
    dependencies=[OWN_TASK],
    status_code=202,
    response_model=Started,
    responses=NO_TASK | refusals(Conflict="It has not failed or been cancelled, or cannot go on"),
)
def retry_task(
    task_id: TaskId, background: BackgroundTasks, service: ServiceDependency, once: OnceDependency
) -> Any:
    """Queue a failed or cancelled task again. 409 with the reason if it can no longer go on.

    An import or undo that has written rows resumes at its checkpoint; every other task starts over.
    """
    lacking = missing_of(service.settings, find_task(service, task_id))

    def again(connection: Connection) -> Reply:
        return accepted(retry(connection, task_id, lacking), f"/tasks/{task_id}")

    background.add_task(service.wake_worker)
    return once("", again)


@router.get(
    "/{task_id}/events", dependencies=[OWN_TASK], response_class=EventSourceResponse, responses=NO_TASK
)
@served(Manner.FOLLOWS)
async def task_events(
    request: Request,
    service: ServiceDependency,
    feed: FeedDependency,
    task: ExistingTask,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """The timeline as server-sent events, from its start or `Last-Event-ID`, until the task has ended."""
    after = _event_number(last_event_id)
    with feed.subscribe(task.seq) as news:  # before the first query, so that no event is missed in between
        while not feed.closing.is_set():
            try:
                status, events = await _look(request, service, task, after)
            except (Unauthorized, Forbidden):  # the right was taken; a client that connects again is refused
                return
            until = time.monotonic() + LOOK_AGAIN if request.scope["door_is_open"] else math.inf
            for event in events:
                after = event.number
                yield _sent(event)
            if len(events) < EVENTS_AT_ONCE:
                while status not in ENDED and not news.missed and not feed.closing.is_set():
                    if (left := until - time.monotonic()) <= 0:
                        break
                    for event in await news.wait(left if math.isfinite(left) else None):
                        if event.number > after and status not in ENDED:
                            after = event.number
                            yield _sent(event)
                            status = event.data["status"] if is_end(event) else status
                news.missed = False
                if status in ENDED:
                    yield ServerSentEvent(data={"status": status}, event="end")
                    return


def _event_number(text: str | None) -> int:
    """The number of the last event that a client has seen; 0 if `text` is no such number."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 18 else 0


def _sent(event: timeline.Event) -> ServerSentEvent:
    return ServerSentEvent(data={"at": event.at} | event.data, event=event.type, id=str(event.number))


async def _look(
    request: Request, service: Service, task: Task, after: int
) -> tuple[str, list[timeline.Event]]:
    """The present status of the task, and its events with numbers above `after`. Raises `Unauthorized`."""
    if request.scope["caller"].until <= time.time():
        raise Unauthorized("The login has ended. Log in again at POST /token.")

    def look() -> tuple[str, list[timeline.Event]]:
        with service.database.read() as connection:
            now = tasks.get(connection, task.id)
            events = timeline.events(connection, task.seq, after=after, limit=EVENTS_AT_ONCE)
        return (now or task).status, events

    async with place(request):
        return await run_in_threadpool(look)

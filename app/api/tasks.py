"""Tasks over HTTP: one resource for everything that runs in the background."""

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.api.dependencies import Cursor, Limit, ServiceDependency, decode_cursor, link_next, poll_again
from app.errors import NotFound
from app.repository import tasks
from app.tasks.task import Task

router = APIRouter(prefix="/tasks", tags=["tasks"])

Status = Literal["queued", "running", "cancelling", "complete", "failed", "cancelled"]
Kind = Literal["import_ratings", "rebuild_model"]


class Progress(BaseModel):
    phase: str | None
    done: int
    total: int | None
    unit: str | None
    message: str | None


class TaskAnswer(BaseModel):
    task_id: str
    kind: Kind
    status: Status
    progress: Progress
    attempt: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def task_answer(task: Task) -> dict[str, Any]:
    """The public form of a task."""
    return {
        "task_id": task.id,
        "kind": task.kind,
        "status": task.status,
        "progress": {name: getattr(task, name) for name in ("phase", "done", "total", "unit", "message")},
        "attempt": task.attempt,
        "result": task.result,
        "error": task.error,
        "created_at": _time(task.created_at),
        "started_at": _time(task.started_at),
        "finished_at": _time(task.finished_at),
    }


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def find_task(service: ServiceDependency, task_id: str) -> Task:
    with service.database.read() as connection:
        task = tasks.get(connection, task_id)
    if task is None:
        raise NotFound(f"There is no task {task_id[:100]!r}. GET /tasks lists them.")
    return task


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
def get_task(task_id: str, response: Response, service: ServiceDependency) -> dict[str, Any]:
    task = find_task(service, task_id)
    poll_again(response, task)
    return task_answer(task)

"""Undoing over HTTP: of an import or a merge, under either address."""

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request
from sqlalchemy.engine import Connection

from app.api.answers import refusals
from app.api.dependencies import ServiceDependency
from app.api.edge.rules import OWN_TASK, CallerDependency
from app.api.idempotency import OnceDependency, Reply, accepted
from app.api.tasks import Started
from app.api.values import TaskId
from app.imports.kinds import UNDO, UndoParams
from app.tasks.start import queue

router = APIRouter(tags=["tasks"])

IN_THE_WAY = refusals(
    NotFound="There is no such import or merge",
    Conflict="It has not ended, has changed nothing, is undone already, or a newer one goes first",
)


@router.post(
    "/tasks/{task_id}/undo",
    dependencies=[OWN_TASK],
    status_code=202,
    response_model=Started,
    responses=IN_THE_WAY,
)
@router.post(
    "/imports/{task_id}/undo",
    dependencies=[OWN_TASK],
    status_code=202,
    response_model=Started,
    responses=IN_THE_WAY,
    operation_id="undo_import",
)
def undo_task(
    task_id: TaskId,
    request: Request,
    background: BackgroundTasks,
    service: ServiceDependency,
    caller: CallerDependency,
    once: OnceDependency,
) -> Any:
    """Queue a task that takes an import or a merge back. The newest is undone first."""
    tasks_or_imports = request.scope["route"].path.partition("/{")[0]

    def start(connection: Connection) -> Reply:
        limit, params = service.settings.max_queue, UndoParams(task_id)
        task = queue(connection, UNDO.name, params, owner=caller.user_id, max_queue=limit)
        return accepted(task, f"{tasks_or_imports}/{task.id}")

    background.add_task(service.wake_worker)
    return once("", start)

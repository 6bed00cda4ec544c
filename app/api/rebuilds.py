"""Rebuilding the model over HTTP."""

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request, Response

from app.api.dependencies import ServiceDependency, accepted, idempotency_key, poll_again
from app.api.tasks import Started
from app.api.values import TaskId
from app.repository import ratings, tasks
from app.tasks.start import start
from app.tasks.task import COMPLETE, REBUILD_MODEL

router = APIRouter(prefix="/recommender/rebuild", tags=["tasks"])

SAMPLE_USER, SAMPLE_SIZE = 1, 3


class RebuildAnswer(Started):
    sample: list[int]


@router.post("", status_code=202, response_model=Started)
def rebuild(
    request: Request, response: Response, background: BackgroundTasks, service: ServiceDependency
) -> dict[str, Any]:
    """Build a new model from every rating. Joins the rebuild that waits already, if any."""
    key = idempotency_key(request, fingerprint="")
    task, replayed = start(service.database, REBUILD_MODEL, {}, key=key, max_queue=service.settings.max_queue)
    background.add_task(service.wake_worker)
    return accepted(response, task, f"/recommender/rebuild/{task.id}", replayed=replayed)


@router.get("/{task_id}", response_model=RebuildAnswer)
def rebuild_status(task_id: TaskId, response: Response, service: ServiceDependency) -> dict[str, Any]:
    """How far it is; `sample` is what user 1 is recommended once it is complete."""
    sample: list[int] = []
    with service.database.read() as connection:
        task = tasks.get(connection, task_id)
        if task is None or task.kind != REBUILD_MODEL:
            return {"task_id": task_id, "status": "unknown", "sample": sample}
        if task.status == COMPLETE and (rated := ratings.of_user(connection, SAMPLE_USER)):
            sample, _ = service.model.serve(connection).plain(rated, SAMPLE_SIZE)
    poll_again(response, task)
    return {"task_id": task_id, "status": task.status, "sample": sample}

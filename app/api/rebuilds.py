"""Rebuilding the model over HTTP."""

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Response
from sqlalchemy.engine import Connection

from app.api.answers import sends
from app.api.dependencies import ServiceDependency, poll_again
from app.api.edge.rules import EDITOR, OWN_TASK, CallerDependency
from app.api.idempotency import OnceDependency, Reply, accepted
from app.api.tasks import Started
from app.api.values import TaskId
from app.repository import tasks
from app.serving.kinds import REBUILD_MODEL
from app.serving.taste import taste_of
from app.task import COMPLETE
from app.tasks.start import queue

router = APIRouter(prefix="/recommender/rebuild", tags=["tasks"])

SAMPLE_USER, SAMPLE_SIZE = 1, 3


class RebuildAnswer(Started):
    sample: list[int]


@router.post("", dependencies=[EDITOR], status_code=202, response_model=Started)
def rebuild(
    background: BackgroundTasks, service: ServiceDependency, caller: CallerDependency, once: OnceDependency
) -> Any:
    """Queue a rebuild of the model from all ratings, or join the one that is queued."""

    def start(connection: Connection) -> Reply:
        limit = service.settings.max_queue
        task = queue(connection, REBUILD_MODEL, owner=caller.user_id, max_queue=limit)
        return accepted(task, f"/recommender/rebuild/{task.id}")

    background.add_task(service.wake_worker)
    return once("", start)


@router.get(
    "/{task_id}", dependencies=[OWN_TASK], response_model=RebuildAnswer, responses=sends("Retry-After")
)
def rebuild_status(task_id: TaskId, response: Response, service: ServiceDependency) -> dict[str, Any]:
    """The status of a rebuild; `sample` is what user 1 is recommended once it is complete."""
    sample: list[int] = []
    with service.database.read() as connection:
        task = tasks.get(connection, task_id)
        if task is None or task.kind != REBUILD_MODEL:
            return {"task_id": task_id, "status": "unknown", "sample": sample}
        if task.status == COMPLETE and (taste := taste_of(connection, SAMPLE_USER)).rated:
            sample, _ = service.model.serve(connection).plain(taste.rated, SAMPLE_SIZE, taste.hidden)
    poll_again(response, task)
    return {"task_id": task_id, "status": task.status, "sample": sample}

"""Dumps of everybody's recommendations over HTTP, and the files that tasks have made."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Query
from fastapi.responses import FileResponse
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.answers import refusals, sends
from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.rules import EDITOR, CallerDependency
from app.api.files import file_answer
from app.api.idempotency import OnceDependency, Reply, accepted
from app.api.tasks import ExistingTask, Started
from app.dumps.kinds import DUMP_RECOMMENDATIONS, DumpParams
from app.errors import Conflict, NotFound
from app.storage.store import store_of
from app.task import COMPLETE, RETRIABLE
from app.tasks.kinds import kind_of
from app.tasks.start import queue

router = APIRouter(tags=["tasks"])

MOST_MOVIES = 100
"""Movies a user at most."""


@router.post("/recommendations/dump", dependencies=[EDITOR], status_code=202, response_model=Started)
def start_dump(
    background: BackgroundTasks,
    service: ServiceDependency,
    caller: CallerDependency,
    once: OnceDependency,
    format: Annotated[
        Literal["jsonl", "csv"],
        Query(description="jsonl: a line a user, with movie ids; csv: a line a movie, with its title"),
    ] = "jsonl",
    limit: Annotated[int, Query(ge=1, le=MOST_MOVIES, description="movies a user at most")] = 10,
) -> Any:
    """Write every user's recommendations to a file, all from the model that is served when it begins.

    The file is at `GET /tasks/{task_id}/result` once the task is complete, for as long as the task is kept.
    """
    params = DumpParams(format, limit)

    def start(connection: Connection) -> Reply:
        most = service.settings.max_queue
        task = queue(connection, DUMP_RECOMMENDATIONS, params, owner=caller.user_id, max_queue=most)
        return accepted(task, f"/tasks/{task.id}")

    background.add_task(service.wake_worker)
    return once(f"{format} {limit}", start)


@router.get(
    "/tasks/{task_id}/result",
    dependencies=[EDITOR],
    response_class=FileResponse,
    responses=sends("Content-Disposition", media_types=["application/x-ndjson", "text/csv"])
    | refusals(
        NotFound="There is no such task, it makes no file, or its file is gone",
        Conflict="It is not complete",
    ),
)
@served(Manner.STREAMS)
async def get_task_result(task: ExistingTask, service: ServiceDependency) -> Response:
    """The file that a task has made, to be saved."""
    kind = kind_of(task.kind)
    if kind.file is None:
        raise NotFound(f"A task of the kind {task.kind} makes no file. GET /tasks/{task.id} has its result.")
    if task.status != COMPLETE:
        again = f"POST /tasks/{task.id}/retry starts it again."
        what = again if task.status in RETRIABLE else f"Wait for that at GET /tasks/{task.id}."
        raise Conflict(f"Task {task.id} is {task.status}: its file is there once it is complete. {what}")
    file = await run_in_threadpool(kind.file, service.settings, task)
    if file is None:
        raise NotFound(f"The file of task {task.id} is gone. {kind.lost}")
    store = store_of(service.settings)
    return await run_in_threadpool(file_answer, store, file.key, file.media_type, file.name)

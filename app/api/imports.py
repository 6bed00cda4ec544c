"""Imports over HTTP: the upload is received whole, checked, and queued as a task in one transaction."""

import uuid
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool

from app.api.answers import refusals, sends
from app.api.dependencies import Cursor, Limit, ServiceDependency, poll_again
from app.api.edge.manners import Manner, served
from app.api.edge.places import place
from app.api.edge.rules import OWN, OWN_TASK, VIEWER, CallerDependency
from app.api.files import file_answer
from app.api.idempotency import Once, OnceDependency, Reply, accepted
from app.api.tasks import ExistingTask, Started, Status, TaskAnswer, list_tasks, task_answer
from app.api.uploads import Receiver, Upload
from app.api.values import Id, ShortWords, TaskId, Words
from app.errors import AppError, Forbidden, NotFound
from app.imports import readers
from app.imports.checkpoint import upload_key
from app.imports.kinds import IMPORT, UNDO, ImportParams
from app.imports.readers.reader import Options
from app.imports.readers.rows import whose
from app.imports.rejects import published
from app.repository import tasks
from app.service import Service
from app.storage.store import store_of
from app.tasks.start import queue
from app.user import Caller

router = APIRouter(prefix="/imports", tags=["tasks"])

NO_REJECTS = sends("Content-Disposition", media_types=["text/csv"]) | refusals(
    NotFound="There is no such task, or it has no rejects (yet)"
)


class UnknownTask(BaseModel):
    """That there is no import or undo of that id."""

    task_id: str
    status: Literal["unknown"]


@router.post(
    "",
    dependencies=[OWN],
    status_code=202,
    response_model=Started,
    responses=refusals(
        UnsupportedMediaType="The Content-Type is none that an import can be",
        Invalid="No reader knows the file, it is empty or damaged, or it is not said whose ratings it holds",
    ),
)
@served(Manner.UPLOADS)
async def start_import(
    request: Request,
    background: BackgroundTasks,
    service: ServiceDependency,
    caller: CallerDependency,
    once: OnceDependency,
    user_id: Annotated[Id | None, Query(description="whose ratings they are")] = None,
    dry_run: Annotated[bool, Query(description="make the report, write nothing")] = False,
    columns: Annotated[Words, Query(description="which column is what, as in title:Film,score:3")] = "",
    scale: Annotated[ShortWords, Query(description="of the scores: 5, 10, 100 or thumbs")] = "",
    charset: Annotated[ShortWords, Query(description="how the text is encoded, such as windows-1252")] = "",
    dates: Annotated[ShortWords, Query(description="what comes first in 5/1/2024: day or month")] = "",
    create: Annotated[
        Literal["missing"] | None, Query(description="make the movies that rows of a personal file have not")
    ] = None,
) -> Any:
    """Import a CSV of ratings or movies. With no body and no Content-Type: the bundled sample."""
    folder, limit = service.settings.uploads_dir, service.settings.max_upload
    receiver = await run_in_threadpool(Receiver, folder, limit, once.name)
    try:
        upload = await receiver.receive(request)
        params = ImportParams(
            user_id=user_id,
            dry_run=dry_run,
            columns=columns,
            scale=scale,
            charset=charset or upload.charset,
            dates=dates,
            create=create or "",
        )
        sample = upload.size == 0 and "content-type" not in request.headers
        async with place(request):
            params = await run_in_threadpool(_checked, caller, None if sample else upload, params)
        task_id = str(uuid.uuid4())
        if not sample:  # not in the place of a request: the store may be far away
            key = upload_key(task_id)
            params = replace(params, file=key)
            await receiver.keep(store_of(service.settings), key)
        try:
            async with place(request):
                answer = await run_in_threadpool(_start, service, caller, task_id, params, once)
        except AppError:  # of the place, before anything is queued
            await run_in_threadpool(_drop, service, params)
            raise
    finally:
        await run_in_threadpool(receiver.close)
    background.add_task(service.wake_worker)
    return answer


def _checked(caller: Caller, upload: Upload | None, params: ImportParams) -> ImportParams:
    """What is known of the file. Raises what refuses it."""
    if upload is None or params.create:
        _refuse_confined(caller)
    if upload is None:
        return params
    reader = readers.check(upload.path, upload.filename, _options(params))
    if not reader.personal:
        _refuse_confined(caller)
    if reader.personal and params.user_id is None:
        raise whose(reader.name)
    return replace(
        params,
        filename=upload.filename,
        size=upload.size,
        sha256=upload.sha256,
        personal=reader.personal,
    )


def _options(params: ImportParams) -> Options:
    return Options(params.columns, params.scale, params.charset, params.dates)


def _start(service: Service, caller: Caller, task_id: str, params: ImportParams, once: Once) -> Any:
    """Queue the import, or give the answer of the first request; then its upload is not needed."""
    options = _options(params)
    said = ("" if options == Options() else f" {options}") + (
        f" create={params.create}" if params.create else ""
    )
    payload = f"{params.sha256} {params.user_id} {params.dry_run}{said}"
    started = False

    def start(connection: Connection) -> Reply:
        nonlocal started
        limit = service.settings.max_queue
        task = queue(connection, IMPORT.name, params, task_id=task_id, owner=caller.user_id, max_queue=limit)
        started = True
        return accepted(task, f"/imports/{task.id}")

    try:
        return once(payload, start)
    except BaseException:
        started = False  # or it was, and then rolled back
        raise
    finally:
        if not started:
            _drop(service, params)


def _drop(service: Service, params: ImportParams) -> None:
    """Delete an upload that no task names."""
    if params.file:
        store_of(service.settings).delete([params.file])


def _refuse_confined(caller: Caller) -> None:
    """Refuse a file that may hold ratings of several people, or movies, from a viewer."""
    if caller.confined_to is not None:
        raise Forbidden(
            f"This file may change what is not yours. With the role {caller.role} you can import your own "
            "ratings alone: an export of Letterboxd or IMDb."
        )


@router.get("", dependencies=[VIEWER], response_model=list[TaskAnswer])
def list_imports(
    request: Request,
    response: Response,
    service: ServiceDependency,
    caller: CallerDependency,
    status: Annotated[Status | None, Query(description="imports in this state alone")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Imports, newest first; a viewer's own alone. The same as GET /tasks?kind=import_ratings."""
    return list_tasks(request, response, service, caller, IMPORT.name, status, limit, cursor)


@router.get(
    "/{task_id}",
    dependencies=[OWN_TASK],
    response_model=TaskAnswer | UnknownTask,
    responses=sends("Retry-After"),
)
def import_status(task_id: TaskId, response: Response, service: ServiceDependency) -> dict[str, Any]:
    """The progress of an import or undo, and its report once it is complete.

    An id that is none of an import or undo has the status `unknown`; `GET /tasks/{task_id}` says 404.
    """
    with service.database.read() as connection:
        task = tasks.get(connection, task_id)
    if task is None or task.kind not in (IMPORT.name, UNDO.name):
        return {"task_id": task_id, "status": "unknown"}
    poll_again(response, task)
    return task_answer(task)


@router.get("/{task_id}/rejects", dependencies=[OWN_TASK], response_class=FileResponse, responses=NO_REJECTS)
@served(Manner.STREAMS)
async def import_rejects(task: ExistingTask, service: ServiceDependency) -> Response:
    """The rejected rows, as a CSV of line, column, value and reason."""
    store = store_of(service.settings)
    key = await run_in_threadpool(published, store, task.id)
    if key is None:
        when = "has none" if task.ended else f"is {task.status}; they can be read once it has ended"
        raise NotFound(f"There are no rejects of task {task.id}: it {when}.")
    name = f"rejects-{task.id}.csv"
    return await run_in_threadpool(file_answer, store, key, "text/csv; charset=utf-8", name)

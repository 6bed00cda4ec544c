"""Imports over HTTP: the upload is received whole, checked, and becomes a task in one transaction."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import ServiceDependency, accepted, idempotency_key, poll_again
from app.api.tasks import Started, find_task, task_answer
from app.api.uploads import Receiver, Upload
from app.errors import Invalid, NotFound
from app.imports import formats
from app.imports.rejects import rejects_path
from app.ratings import MAX_ID
from app.repository import tasks
from app.service import Service
from app.tasks.start import IdempotencyKey, start
from app.tasks.task import IMPORT_RATINGS, UNDO_IMPORT, Task

router = APIRouter(prefix="/imports", tags=["tasks"])


@router.post("", status_code=202, response_model=Started)
async def start_import(
    request: Request,
    response: Response,
    background: BackgroundTasks,
    service: ServiceDependency,
    user_id: Annotated[int | None, Query(ge=0, le=MAX_ID, description="whose ratings they are")] = None,
    dry_run: Annotated[bool, Query(description="report only, write nothing")] = False,
) -> dict[str, Any]:
    """Import a CSV of ratings or movies. With no body and no Content-Type: the bundled sample."""
    given = idempotency_key(request, "")
    name = f"{given.scope} {given.key}" if given else ""
    folder, limit = service.settings.uploads_dir, service.settings.max_upload
    receiver = await run_in_threadpool(Receiver, folder, limit, name)
    try:
        upload = await receiver.receive(request)
        params = {"user_id": user_id, "dry_run": dry_run, "undo_of": None}
        sample = upload.size == 0 and "content-type" not in request.headers
        key = idempotency_key(request, f"{'' if sample else upload.sha256} {user_id} {dry_run}")
        task, replayed = await run_in_threadpool(
            _start, service, receiver, None if sample else upload, params, key
        )
    finally:
        await run_in_threadpool(receiver.close)
    background.add_task(service.wake_worker)
    return accepted(response, task, f"/imports/{task.id}", replayed=replayed)


def _start(
    service: Service,
    receiver: Receiver,
    upload: Upload | None,
    params: dict[str, Any],
    key: IdempotencyKey | None,
) -> tuple[Task, bool]:
    task_id = str(uuid.uuid4())
    kept = service.settings.uploads_dir / task_id
    if upload is None:
        params |= {"file": None, "filename": "", "size": 0, "sha256": ""}
    else:
        name = formats.check(upload.path, upload.filename)
        if formats.is_personal(name) and params["user_id"] is None:
            raise Invalid(f"A {name} export holds one person's ratings. Say whose: POST /imports?user_id=7.")
        receiver.keep(kept)
        params |= {
            "file": str(kept.relative_to(service.settings.data_dir)),
            "filename": upload.filename,
            "size": upload.size,
            "sha256": upload.sha256,
        }
    started = False
    try:
        task, replayed = start(
            service.database,
            IMPORT_RATINGS,
            params,
            key=key,
            task_id=task_id,
            max_queue=service.settings.max_queue,
        )
        started = not replayed
        return task, replayed
    finally:
        if not started:
            kept.unlink(missing_ok=True)


@router.get("/{task_id}")
def import_status(task_id: str, response: Response, service: ServiceDependency) -> dict[str, Any]:
    """How far it is, and the report once it is complete."""
    with service.database.read() as connection:
        task = tasks.get(connection, task_id)
    if task is None or task.kind not in (IMPORT_RATINGS, UNDO_IMPORT):
        return {"task_id": task_id, "status": "unknown"}
    poll_again(response, task)
    return task_answer(task)


@router.get("/{task_id}/rejects", response_class=FileResponse)
def import_rejects(task_id: str, service: ServiceDependency) -> FileResponse:
    """The rows that were not taken, as a CSV of line, column, value and reason."""
    task = find_task(service, task_id)
    path = rejects_path(service.settings.data_dir, task.id)
    if not path.is_file():
        when = "has none" if task.ended else f"is {task.status}; they can be read once it has ended"
        raise NotFound(f"There are no rejects of task {task.id}: it {when}.")
    return FileResponse(path, media_type="text/csv; charset=utf-8", filename=f"rejects-{task.id}.csv")


@router.post("/{task_id}/undo", status_code=202, response_model=Started)
def undo_import(
    request: Request,
    task_id: str,
    response: Response,
    background: BackgroundTasks,
    service: ServiceDependency,
) -> dict[str, Any]:
    """Put back what was there before the import, as a task of its own; newest import first."""
    key = idempotency_key(request, fingerprint="")
    limit = service.settings.max_queue
    task, replayed = start(service.database, UNDO_IMPORT, {"undo_of": task_id}, key=key, max_queue=limit)
    background.add_task(service.wake_worker)
    return accepted(response, task, f"/imports/{task.id}", replayed=replayed)

"""The state of the service: health for machines, status for people."""

import os
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.rules import ALIVE, EDITOR, READY
from app.errors import Unavailable
from app.repository import models, movies, ratings, tasks
from app.tasks.embedded import WorkerState

router = APIRouter(tags=["operations"])


class Requests(BaseModel):
    total: int
    by_status: dict[str, int]
    per_minute: list[int]


class Latency(BaseModel):
    p50: float | None
    p99: float | None
    per_minute_p99: list[float | None]


class Storage(BaseModel):
    database_bytes: int
    models_bytes: int
    uploads_bytes: int


class Worker(BaseModel):
    """The process that runs the tasks, by its heartbeat; all null where none runs on this machine."""

    pid: int | None
    beat_age_seconds: float | None
    task_id: str | None
    kind: str | None
    problem: str | None


class StatusAnswer(BaseModel):
    """Requests and latencies are those of the responding process, the rest those of the service."""

    version: str
    uptime_seconds: float
    requests: Requests
    latency_ms: Latency
    queue: dict[str, int]
    storage: Storage
    ratings: int
    movies: int
    users: int
    model_version: int
    worker: Worker | None


@router.get("/health", dependencies=[ALIVE])
@served(Manner.PROBES)
async def health() -> dict[str, str]:
    """The process responds."""
    return {"status": "ok"}


@router.get("/health/live", dependencies=[ALIVE])
@served(Manner.PROBES)
async def live() -> dict[str, str]:
    """The process responds."""
    return {"status": "ok"}


@router.get("/health/ready", dependencies=[READY])
def ready(service: ServiceDependency) -> dict[str, str]:
    """The database can be read and the worker makes progress; a 503 says which part is not ready."""
    with service.database.read() as connection:
        tasks.counts(connection)
    worker = service.worker_state()
    if worker is not None and worker.problem:
        raise Unavailable(f"The worker is not ready: {worker.problem}.", headers={"Retry-After": "2"})
    return {"status": "ok"}


@router.get("/status", dependencies=[EDITOR], response_model=StatusAnswer)
def get_status(request: Request, service: ServiceDependency) -> dict[str, Any]:
    """Requests, queue, storage and worker: how the service is doing."""
    statistics, settings = request.app.state.statistics, service.settings
    with service.database.read() as connection:
        active = models.active(connection)
        newest = models.newest(connection)
        queue = tasks.counts(connection)
        counted = {"ratings": ratings.count(connection), "movies": movies.count(connection)}
    storage = {
        "database_bytes": service.database.size(),
        "models_bytes": _bytes_in(settings.models_dir),
        "uploads_bytes": _bytes_in(settings.uploads_dir),
    }
    return {
        "version": version("matinee"),
        "uptime_seconds": round(time.time() - statistics.started, 1),
        **statistics.summary(),
        "queue": {"queued": queue["queued"], "running": queue["running"] + queue["cancelling"]},
        "storage": storage,
        **counted,
        "users": newest.users if newest else 0,
        "model_version": active.version if active else 0,
        "worker": _worker(service.worker_state()),
    }


def _worker(state: WorkerState | None) -> Worker | None:
    if state is None:
        return None
    age = None if state.beat_age is None else round(state.beat_age, 1)
    return Worker(
        pid=state.pid, beat_age_seconds=age, task_id=state.task, kind=state.kind, problem=state.problem
    )


def _bytes_in(directory: Path) -> int:
    """Bytes of the files in a folder; files may come and go meanwhile."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                total += entry.stat().st_size if entry.is_file() else 0
    return total

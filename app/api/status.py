"""The state of the service, for people."""

import time
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.dependencies import ServiceDependency
from app.api.edge.rules import EDITOR
from app.measures import REQUESTS, minutes
from app.repository import models, movies, ratings, tasks
from app.storage.store import Store, store_of
from app.tasks.embedded import WorkerState

router = APIRouter(tags=["operations"])

PROBES = frozenset(("/health", "/health/live", "/metrics"))
"""Routes that are asked again and again by machines, and say nothing of use."""


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
    """Requests and latencies are those of this machine, the uptime that of the responding process."""

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


@router.get("/status", dependencies=[EDITOR], response_model=StatusAnswer)
def get_status(service: ServiceDependency) -> dict[str, Any]:
    """Requests, queue, storage and worker: how the service is doing."""
    settings = service.settings
    with service.database.read() as connection:
        active = models.active(connection)
        newest = models.newest(connection)
        queue = tasks.counts(connection)
        counted = {"ratings": ratings.count(connection), "movies": movies.count(connection)}
    storage = {
        "database_bytes": service.database.size(),
        "models_bytes": _bytes_in(store_of(settings), "models/"),
        "uploads_bytes": _bytes_in(store_of(settings), "uploads/"),
    }
    return {
        "version": version("matinee"),
        "uptime_seconds": round(time.time() - service.measures.started, 1),
        **_of_requests(service.snapshots.all()),
        "queue": {"queued": queue["queued"], "running": queue["running"] + queue["cancelling"]},
        "storage": storage,
        **counted,
        "users": newest.users if newest else 0,
        "model_version": active.version if active else 0,
        "worker": _worker(service.worker_state()),
    }


def _of_requests(counted: dict[str, Any]) -> dict[str, Any]:
    hour = minutes.summary(counted["minutes"], time.time())
    by_status = dict.fromkeys(minutes.STATUSES, 0)
    for status, count in requests_by(counted, 2).items():
        if status.isdecimal():
            by_status[minutes.STATUSES[min(5, int(status) // 100) - 1]] += count
    return {
        "requests": {
            "total": sum(by_status.values()),
            "by_status": by_status,
            "per_minute": hour["per_minute"],
        },
        "latency_ms": {name: hour[name] for name in ("p50", "p99", "per_minute_p99")},
    }


def requests_by(counted: dict[str, Any], label: int) -> dict[str, int]:
    """Requests but probes by one of the labels of their metric: 0 the method, 1 the route, 2 the status."""
    found: dict[str, int] = {}
    for (name, *labels), values in counted["totals"]:
        if name == REQUESTS.name and labels[1] not in PROBES:
            found[labels[label]] = found.get(labels[label], 0) + int(sum(values[1:]))
    return found


def routes_of(counted: dict[str, Any], most: int = 12) -> list[dict[str, Any]]:
    """The routes that were asked most often, with their errors (5xx) and mean duration in ms."""
    found: dict[str, dict[str, Any]] = {}
    for (name, *labels), (seconds, *buckets) in counted["totals"]:
        if name == REQUESTS.name and labels[1] not in PROBES:
            route = found.setdefault(
                labels[1], {"route": labels[1], "requests": 0, "errors": 0, "seconds": 0.0}
            )
            route["requests"] += int(sum(buckets))
            route["errors"] += int(sum(buckets)) if labels[2].startswith("5") else 0
            route["seconds"] += seconds
    often = sorted(found.values(), key=lambda one: -one["requests"])[:most]
    return [one | {"ms": 1000 * one["seconds"] / max(1, one["requests"])} for one in often]


def _worker(state: WorkerState | None) -> Worker | None:
    if state is None:
        return None
    age = None if state.beat_age is None else round(state.beat_age, 1)
    return Worker(
        pid=state.pid, beat_age_seconds=age, task_id=state.task, kind=state.kind, problem=state.problem
    )


def _bytes_in(store: Store, folder: str) -> int:
    return sum(entry.size for entry in store.entries(folder))

"""Health for machines: the process responds, or all that it needs is in order."""

import shutil
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.rules import ALIVE, READY
from app.errors import AppError, Unavailable
from app.repository import tasks
from app.service import Service
from app.storage.upgrades import works

router = APIRouter(tags=["operations"])

LEAST_FREE = 20_000_000
"""Bytes on the disk of the data folder below which writes are about to fail."""


class Check(BaseModel):
    """One of the things that are looked at. `ms`: how long that took; `reason`: null while all is well."""

    name: str
    ok: bool
    ms: float
    reason: str | None


class ReadyAnswer(BaseModel):
    status: str
    checks: list[Check]


class Look(NamedTuple):
    name: str
    fault: Callable[[], str | None]


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


@router.get("/health/ready", dependencies=[READY], response_model=ReadyAnswer)
def ready(request: Request, service: ServiceDependency) -> dict[str, Any]:
    """All that requests need is in order; a 503 says what is not, and why."""
    closing = request.app.state.shutdown.closing
    looks = (
        Look("draining", lambda: "The server is about to stop." if closing.is_set() else None),
        Look("database", lambda: _of_database(service)),
        Look("integrity", lambda: service.database.damage_met),
        Look("migrations", lambda: _of_schema(service)),
        Look("model", lambda: _of_model(service)),
        Look("worker", lambda: _of_worker(service)),
        Look("disk", lambda: _of_disk(service)),
    )
    checks = [_checked(look) for look in looks]
    if faults := [one for one in checks if not one.ok]:
        raise Unavailable(
            " ".join(one.reason or "" for one in faults),
            errors=[{"detail": f"{one.name}, {one.ms:g} ms: {one.reason}", "pointer": ""} for one in faults],
            headers={"Retry-After": "2"},
        )
    return {"status": "ok", "checks": checks}


def _checked(look: Look) -> Check:
    began = time.perf_counter()
    try:
        reason = look.fault()
    except AppError as error:
        reason = error.detail
    ms = round((time.perf_counter() - began) * 1000, 3)
    return Check(name=look.name, ok=reason is None, ms=ms, reason=reason)


def _of_database(service: Service) -> None:
    with service.database.read() as connection:
        tasks.counts(connection)


def _of_schema(service: Service) -> str | None:
    if works(service.database):
        return None
    return "The database has the schema of another release. Restart the service with its own."


def _of_model(service: Service) -> str | None:
    with service.database.read() as connection:
        return service.model.fault(connection)


def _of_worker(service: Service) -> str | None:
    worker = service.worker_state()
    return f"The worker is not ready: {worker.problem}." if worker is not None and worker.problem else None


def _of_disk(service: Service) -> str | None:
    free = shutil.disk_usage(service.settings.data_dir).free
    if free >= LEAST_FREE:
        return None
    return f"The disk of the data folder has {free / 1e6:,.0f} MB left. Make room."

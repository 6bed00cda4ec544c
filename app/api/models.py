"""Model versions over HTTP: how good each is, which is active, and activating another."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from sqlalchemy.engine import Connection

from app.api.answers import refusals
from app.api.dependencies import Cursor, Limit, ServiceDependency, decode_cursor, link_next
from app.api.edge.rules import ADMIN, VIEWER
from app.api.idempotency import OnceDependency, Reply
from app.api.values import Id
from app.repository import models
from app.serving.model_store import ModelStore

router = APIRouter(prefix="/models", tags=["models"])

Version = Annotated[Id, Path(ge=1, description="version of a model, from 1 on")]
NO_MODEL = refusals(NotFound="There is no such version")
DAMAGED = NO_MODEL | refusals(Conflict="Its file is missing or damaged")


class ModelAnswer(BaseModel):
    version: int
    task_id: str
    checksum: str
    active: bool
    promoted: bool
    reason: str
    settings: dict[str, Any]
    evaluation: dict[str, Any]
    ratings: int
    users: int
    movies: int
    created_at: datetime


def _answer(version: models.ModelVersion) -> dict[str, Any]:
    return asdict(version) | {"created_at": datetime.fromtimestamp(version.created_at, UTC)}


@router.get("", dependencies=[VIEWER], response_model=list[ModelAnswer])
def list_models(
    request: Request,
    response: Response,
    service: ServiceDependency,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Newest first."""
    (before,) = decode_cursor(cursor, 1) or (None,)
    with service.database.read() as connection:
        found = models.listing(connection, limit=limit, before=before)
    link_next(request, response, limit, found, lambda last: (last.version,))
    return [_answer(version) for version in found]


@router.get("/{version}", dependencies=[VIEWER], response_model=ModelAnswer, responses=NO_MODEL)
def get_model(version: Version, service: ServiceDependency) -> dict[str, Any]:
    """One version: what it was built from, how good it is, whether it is served."""
    with service.database.read() as connection:
        return _answer(models.get(connection, version))


@router.post("/{version}/activate", dependencies=[ADMIN], response_model=ModelAnswer, responses=DAMAGED)
def activate_model(version: Version, service: ServiceDependency, once: OnceDependency) -> Any:
    """Serve this version from the next request on, in every process. A damaged one is refused."""
    if known := once.known(""):
        return known
    with service.database.read() as connection:
        found = models.get(connection, version)
    service.model.check(found)
    gone: set[str] = set()

    def activate(connection: Connection) -> Reply:
        active = models.activate(connection, version)
        gone.update(models.forget_before(connection, version))
        return Reply(_answer(active))

    answer = once("", activate)
    store = ModelStore.of(service.settings)
    store.announce(version)
    store.keep(found.checksum)
    store.forget(gone)
    return answer

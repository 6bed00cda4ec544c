"""The application: wiring only. Import opens nothing; the service opens its parts on first use."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import ModuleType

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from app import descriptors, logs, process, traces, web
from app.api import (
    accounts,
    audit,
    description,
    discretion,
    dumps,
    etags,
    explanations,
    exports,
    feedback,
    genres,
    health,
    hooks,
    imports,
    invitations,
    keys,
    lists,
    metrics,
    models,
    movies,
    problems,
    rating_batches,
    ratings,
    rebuilds,
    recommendation_batches,
    recommendations,
    status,
    tasks,
    together,
    token,
    undos,
    user_export,
    user_ratings,
    users,
    waiting,
)
from app.api.discretion import has_secret
from app.api.edge import Edge, layers
from app.api.edge.root_path import require_free
from app.api.edge.rules import require_rules
from app.api.edge.shutdown import Shutdown
from app.api.feed import Feed
from app.api.startup import Startup
from app.config import Settings
from app.errors import ConfigurationError, Unavailable
from app.service import Service
from app.storage.private import be_private

log = logging.getLogger("matinee.service")

API: tuple[ModuleType, ...] = (health, status, movies, genres, ratings, users, user_ratings, user_export)
API += (recommendations, recommendation_batches, rebuilds, imports, exports, tasks, dumps, models, token)
API += (explanations, description, accounts, invitations, keys, audit, undos)
API += (rating_batches, feedback, waiting, together, hooks, lists, metrics)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    logs.take_over(service.settings.log_level, service.settings.log_format)  # if it was configured late
    logs.end_soon(False)
    traces.start()
    be_private()
    descriptors.raise_limit()
    app.state.shutdown.listen()
    await run_in_threadpool(_open, service)
    process.serve_without_pauses()
    process.send_without_delay(asyncio.get_running_loop())
    service.snapshots.start()
    yield
    await run_in_threadpool(service.close)
    await run_in_threadpool(traces.flush)
    await run_in_threadpool(logs.end_soon)


def _open(service: Service) -> None:
    """Open the database before the first request. If it is unavailable now, a later request tries again."""
    try:
        _ = service.database
    except Unavailable as error:
        log.warning("The database is not open yet: %s", error.detail)


def create_app(settings: Settings | None = None) -> FastAPI:
    """A new application with these settings (default: from the environment)."""
    settings = settings or Settings.from_environment()
    logs.take_over(settings.log_level, settings.log_format)
    app = FastAPI(
        title="Matinee",
        summary="Movie ratings in, recommendations out.",
        lifespan=_lifespan,
        docs_url=None,  # app.web serves a reference that works offline
        redoc_url=None,
        openapi_url=None,  # `app.api.description` has the route, with its rule
        telemetry={"auto_configure": False, "metrics": False, "logs": False, "exclude": has_secret},
    )
    app.state.service = Service(settings)
    app.state.shutdown = Shutdown(settings.shutdown_grace / 2)  # the other half is the worker's
    app.state.feed = Feed(app.state.service, app.state.shutdown.closing)
    app.add_middleware(
        Edge,
        layers=layers(app.state.service, app.state.shutdown),
        starting=partial(Startup, settings=settings),
    )
    problems.install(app)
    discretion.install()
    etags.install(app)
    for module in API:
        app.router.routes.extend(module.router.routes)  # an included router is searched more slowly
    web.mount(app)
    description.install(app)
    require_rules(app.routes)
    require_free(app.routes, settings.root_path)
    return app


def _configured_app() -> FastAPI:
    """For `uvicorn app.main:app`: a wrong setting ends it with one line instead of a traceback."""
    try:
        return create_app()
    except ConfigurationError as error:
        sys.exit(f"matinee: {error.detail}")


app = _configured_app()

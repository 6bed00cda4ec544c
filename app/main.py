"""The application: wiring only. Nothing is opened at import; the service opens on first use."""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from app import descriptors, process, web
from app.api import (
    etags,
    exports,
    genres,
    imports,
    models,
    movies,
    problems,
    ratings,
    rebuilds,
    recommendations,
    status,
    tasks,
    user_ratings,
)
from app.api.edge import Edge, layers
from app.api.edge.shutdown import Shutdown
from app.api.edge.statistics import Statistics
from app.api.feed import Feed
from app.api.startup import Startup
from app.config import Settings
from app.errors import ConfigurationError, Unavailable
from app.service import Service
from app.storage.private import be_private

log = logging.getLogger("matinee.service")

API = (
    status,
    movies,
    genres,
    ratings,
    user_ratings,
    recommendations,
    rebuilds,
    imports,
    exports,
    tasks,
    models,
)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    be_private()
    descriptors.raise_limit()
    app.state.shutdown.listen()
    await run_in_threadpool(_open, service)
    process.serve_without_pauses()
    yield
    await run_in_threadpool(service.close)


def _open(service: Service) -> None:
    """Before the first request, unless the database cannot be had now: a later one tries again."""
    try:
        _ = service.database
    except Unavailable as error:
        log.warning("The database is not open yet: %s", error.detail)


def create_app(settings: Settings | None = None) -> FastAPI:
    """An application of its own, for these settings (default: from the environment)."""
    settings = settings or Settings.from_environment()
    logging.getLogger("matinee").setLevel(settings.log_level)
    app = FastAPI(
        title="Matinee",
        summary="Movie ratings in, recommendations out.",
        lifespan=_lifespan,
        docs_url=None,  # app.web has a reference that works offline
        redoc_url=None,
    )
    app.state.service = Service(settings)
    app.state.statistics = Statistics()
    app.state.shutdown = Shutdown(settings.shutdown_grace / 2)  # the worker needs some of it too
    app.state.feed = Feed(app.state.service, app.state.shutdown.closing)
    app.add_middleware(
        Edge,
        layers=layers(settings, app.state.statistics, app.state.shutdown),
        starting=partial(Startup, settings=settings),
    )
    problems.install(app)
    etags.install(app)
    for module in API:
        app.router.routes.extend(module.router.routes)  # a router that is included is searched more slowly
    web.mount(app)
    return app


def _configured_app() -> FastAPI:
    """For `uvicorn app.main:app`, which would show a wrong setting as a traceback."""
    try:
        return create_app()
    except ConfigurationError as error:
        sys.exit(f"matinee: {error.detail}")


app = _configured_app()

"""The application: wiring only. Nothing is opened at import; the service opens on first use."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from app.api import imports, movies, problems, ratings, rebuilds, recommendations, tasks
from app.api.guard import Guard
from app.config import Settings
from app.service import Service


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await run_in_threadpool(lambda: service.database)
    yield
    await run_in_threadpool(service.close)


def create_app(settings: Settings | None = None) -> FastAPI:
    """An application of its own, for these settings (default: from the environment)."""
    settings = settings or Settings.from_environment()
    logging.getLogger("matinee").setLevel(settings.log_level)
    app = FastAPI(
        title="Matinee", summary="Movie ratings in, recommendations out.", lifespan=_lifespan, docs_url=None
    )
    app.state.service = Service(settings)
    app.add_middleware(Guard, allowed_hosts=settings.allowed_hosts.split(","), max_body=settings.max_body)
    problems.install(app)
    for module in (movies, ratings, recommendations, rebuilds, imports, tasks):
        app.include_router(module.router)

    @app.get("/health", tags=["operations"])
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


app = create_app()

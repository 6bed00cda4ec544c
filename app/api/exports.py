"""Exports over HTTP: everything as CSV, streamed."""

from collections.abc import AsyncIterator, Callable, Iterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.places import place
from app.imports import export
from app.service import Service
from app.storage import Database

router = APIRouter(tags=["exports"])


@router.get("/ratings.csv", response_class=StreamingResponse)
@served(Manner.STREAMS)
async def export_ratings(request: Request, service: ServiceDependency) -> StreamingResponse:
    """Every rating, in the form that imports take."""
    return await _download(request, "ratings.csv", _blocks(service, export.ratings_csv))


@router.get("/movies.csv", response_class=StreamingResponse)
@served(Manner.STREAMS)
async def export_movies(request: Request, service: ServiceDependency) -> StreamingResponse:
    """Every movie, in the form that imports take; safe to open in a spreadsheet."""
    return await _download(request, "movies.csv", _blocks(service, export.movies_csv))


def _blocks(service: Service, export: Callable[[Database], Iterator[str]]) -> Iterator[str]:
    yield from export(service.database)  # opened in the thread that makes the first block


async def _download(request: Request, name: str, blocks: Iterator[str]) -> StreamingResponse:
    first = await _next(request, blocks)  # what fails at the start is still answered with a problem
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    content = _in_turn(request, first, blocks)
    return StreamingResponse(content, media_type="text/csv; charset=utf-8", headers=headers)


async def _in_turn(request: Request, block: str | None, blocks: Iterator[str]) -> AsyncIterator[str]:
    """Each block is made once the reader has taken the one before it."""
    while block is not None:
        yield block
        block = None  # the reader may take its time: nothing is kept for it
        block = await _next(request, blocks)


async def _next(request: Request, blocks: Iterator[str]) -> str | None:
    async with place(request):
        return await run_in_threadpool(next, blocks, None)

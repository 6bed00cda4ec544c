"""Exports over HTTP: all ratings and all movies as CSV, streamed."""

from collections.abc import AsyncIterator, Callable, Iterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from app.api.answers import sends
from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.places import place
from app.api.edge.rules import EDITOR, VIEWER
from app.imports import export
from app.service import Service
from app.storage import Database

router = APIRouter(tags=["exports"])

CSV = sends("Content-Disposition", media_types=["text/csv"])


@router.get("/ratings.csv", dependencies=[EDITOR], response_class=StreamingResponse, responses=CSV)
@served(Manner.STREAMS)
async def export_ratings(request: Request, service: ServiceDependency) -> StreamingResponse:
    """Every rating, as a CSV that can be imported."""
    return await download(request, "ratings.csv", _blocks(service, export.ratings_csv))


@router.get("/movies.csv", dependencies=[VIEWER], response_class=StreamingResponse, responses=CSV)
@served(Manner.STREAMS)
async def export_movies(request: Request, service: ServiceDependency) -> StreamingResponse:
    """Every movie, as a CSV that can be imported; safe to open in a spreadsheet."""
    return await download(request, "movies.csv", _blocks(service, export.movies_csv))


def _blocks(service: Service, export: Callable[[Database], Iterator[str]]) -> Iterator[str]:
    yield from export(service.database)  # the thread of the first block opens the database


async def download(
    request: Request, name: str, blocks: Iterator[str], media_type: str = "text/csv; charset=utf-8"
) -> StreamingResponse:
    """A response that is made while it is read, to be saved as a file of that name."""
    first = await _next(request, blocks)  # a failure at the start still becomes a problem response
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    content = _in_turn(request, first, blocks)
    return StreamingResponse(content, media_type=media_type, headers=headers)


async def _in_turn(request: Request, block: str | None, blocks: Iterator[str]) -> AsyncIterator[str]:
    """Make each block once the reader has taken the previous one."""
    while block is not None:
        yield block
        block = None  # frees its memory while a slow reader takes it
        block = await _next(request, blocks)


async def _next(request: Request, blocks: Iterator[str]) -> str | None:
    async with place(request):
        return await run_in_threadpool(next, blocks, None)

"""Exports over HTTP: everything as CSV, streamed."""

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from app.api.dependencies import ServiceDependency
from app.imports import export

router = APIRouter(tags=["exports"])


@router.get("/ratings.csv", response_class=StreamingResponse)
def export_ratings(service: ServiceDependency) -> StreamingResponse:
    """Every rating, in the form that imports take."""
    return _download("ratings.csv", export.ratings_csv(service.database))


@router.get("/movies.csv", response_class=StreamingResponse)
def export_movies(service: ServiceDependency) -> StreamingResponse:
    """Every movie, in the form that imports take; safe to open in a spreadsheet."""
    return _download("movies.csv", export.movies_csv(service.database))


def _download(name: str, blocks: Iterator[str]) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(blocks, media_type="text/csv; charset=utf-8", headers=headers)

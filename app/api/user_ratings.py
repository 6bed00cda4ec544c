"""The ratings of one user, with titles, over HTTP."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.api.dependencies import Cursor, Limit, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.rules import OWN
from app.api.etags import SHOWN
from app.repository import user_ratings

router = APIRouter(prefix="/users", tags=["ratings"])


class RatedMovie(BaseModel):
    movie_id: int
    title: str
    year: int | None
    genre: str | None
    score: float
    rated_at: datetime


@router.get("/{user_id}/ratings", response_model=list[RatedMovie], dependencies=[OWN, *SHOWN])
def list_rated_movies(
    user_id: UserId,
    request: Request,
    response: Response,
    service: ServiceDependency,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """The user's ratings, newest first."""
    before = decode_cursor(cursor, 2)
    with service.database.read() as connection:
        found = user_ratings.newest(
            connection, user_id, limit=limit, before=(before[0], before[1]) if before else None
        )
    link_next(request, response, limit, found, lambda last: (last.rated_at, last.movie.id))
    return [
        {
            "movie_id": rated.movie.id,
            "title": rated.movie.title,
            "year": rated.movie.year,
            "genre": rated.movie.genre,
            "score": rated.score,
            "rated_at": datetime.fromtimestamp(rated.rated_at, UTC),
        }
        for rated in found
    ]

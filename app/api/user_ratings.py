"""The ratings of one user, with titles, over HTTP."""

from fastapi import APIRouter, Request, Response

from app.api import movie_lists
from app.api.answers import written
from app.api.dependencies import Cursor, Limit, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.rules import OWN
from app.api.etags import SHOWN
from app.api.movie_lists import RatedMovieAnswer
from app.repository import user_ratings

router = APIRouter(prefix="/users", tags=["ratings"])


@router.get("/{user_id}/ratings", response_model=list[RatedMovieAnswer], dependencies=[OWN, *SHOWN])
def list_rated_movies(
    user_id: UserId,
    request: Request,
    response: Response,
    service: ServiceDependency,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The user's ratings, newest first."""
    before = decode_cursor(cursor, 2)
    with service.database.read() as connection:
        found = user_ratings.newest(
            connection, user_id, limit=limit, before=(before[0], before[1]) if before else None
        )
    link_next(request, response, limit, found, lambda last: (last.rated_at, last.movie.id))
    return written(movie_lists.rated_movies(found), response)

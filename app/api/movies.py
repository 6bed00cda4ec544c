"""Movies over HTTP."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from app.api.answers import MovieAnswer, refusals, sends
from app.api.changes import ChangesDependency
from app.api.dependencies import Cursor, Limit, MovieId, ServiceDependency, decode_cursor, link_next
from app.api.edge.rules import EDITOR, VIEWER
from app.api.etags import SHOWN
from app.api.idempotency import OnceDependency, Reply
from app.api.values import NUMBER, Genre, Title, Words, Year
from app.movie import Movie
from app.repository import movies, ratings

router = APIRouter(prefix="/movies", tags=["movies"])

NO_MOVIE = refusals(NotFound="There is no such movie")


class MovieBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Title
    year: Annotated[Year, NUMBER] | None = None
    genre: Genre | None = None


@router.post(
    "",
    dependencies=[EDITOR],
    status_code=201,
    response_model=MovieAnswer,
    responses=sends("Location", status=201),
)
def create_movie(body: MovieBody, once: OnceDependency) -> Any:
    """Add a movie to the catalogue. An import never overwrites it."""

    def create(connection: Connection) -> Reply:
        movie = movies.create(connection, body.title, body.year, body.genre or None, now=time.time())
        return Reply(movie, 201, {"Location": f"/movies/{movie.id}"})

    return once(body, create)


@router.get("", dependencies=[VIEWER, *SHOWN], response_model=list[MovieAnswer])
def list_movies(
    request: Request,
    response: Response,
    service: ServiceDependency,
    query: Annotated[Words, Query(description="words of the title; most rated movies first")] = "",
    genre: Annotated[Genre | None, Query(description="movies of this genre alone")] = None,
    year_from: Annotated[Year | None, Query(description="released in this year or later")] = None,
    year_to: Annotated[Year | None, Query(description="released in this year or earlier")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """Search the catalogue, or list it by id."""
    years, searched = (year_from, year_to), bool(query.strip())
    with service.database.read() as connection:
        if searched:
            after = decode_cursor(cursor, 2)
            found = movies.search(connection, query, limit=limit, after=after, genre=genre, years=years)
        else:
            (after_id,) = decode_cursor(cursor, 1) or (-1,)
            found = movies.listing(connection, limit=limit, after=after_id, genre=genre, years=years)
    link_next(request, response, limit, found, lambda m: (m.rating_count, m.id) if searched else (m.id,))
    return found


@router.get("/top", dependencies=[VIEWER, *SHOWN], response_model=list[MovieAnswer])
def top_movies(service: ServiceDependency, limit: Limit = 10) -> Any:
    """The best rated, damped so that a few high scores are not enough."""
    with service.database.read() as connection:
        return movies.top(connection, limit=limit)


@router.get("/popular", dependencies=[VIEWER, *SHOWN], response_model=list[MovieAnswer])
def popular_movies(service: ServiceDependency, limit: Limit = 10) -> Any:
    """The most rated."""
    with service.database.read() as connection:
        return movies.popular(connection, limit=limit)


@router.get("/new", dependencies=[VIEWER, *SHOWN], response_model=list[MovieAnswer])
def new_movies(service: ServiceDependency, limit: Limit = 10) -> Any:
    """Movies without ratings, then those added last."""
    with service.database.read() as connection:
        return movies.newest(connection, limit=limit)


@router.get("/{movie_id}/histogram", dependencies=[VIEWER, *SHOWN], responses=NO_MOVIE)
def histogram(movie_id: MovieId, service: ServiceDependency) -> dict[str, int]:
    """How many ratings of each score the movie has, from 0.5 to 5.0."""
    with service.database.read() as connection:
        movies.get(connection, movie_id)
        return ratings.histogram(connection, movie_id)


@router.get("/{movie_id}", dependencies=[VIEWER, *SHOWN], response_model=MovieAnswer, responses=NO_MOVIE)
def get_movie(movie_id: MovieId, service: ServiceDependency) -> Movie:
    """One movie, with the number and mean of its ratings."""
    with service.database.read() as connection:
        return movies.get(connection, movie_id)


@router.put("/{movie_id}", dependencies=[EDITOR], response_model=MovieAnswer, responses=NO_MOVIE)
def replace_movie(movie_id: MovieId, body: MovieBody, changes: ChangesDependency) -> Any:
    """Replace title, year and genre of a movie: what is left out is empty afterwards."""
    with changes.write() as connection:
        return movies.replace(connection, movie_id, body.title, body.year, body.genre or None)


@router.delete(
    "/{movie_id}",
    dependencies=[EDITOR],
    status_code=204,
    responses=refusals(
        NotFound="There is no such movie", Conflict="It has ratings, and `force` is not given"
    ),
)
def delete_movie(
    movie_id: MovieId,
    changes: ChangesDependency,
    force: Annotated[bool, Query(description="delete its ratings too")] = False,
) -> None:
    """Delete a movie; with `force` also its ratings. The id is not given again."""
    with changes.write() as connection:
        movies.delete(connection, movie_id, force=force)

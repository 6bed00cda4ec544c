"""Movies over HTTP."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Connection

from app.api import merges
from app.api.answers import MovieAnswer, movie_fields, refusals, sends, written
from app.api.changes import ChangesDependency
from app.api.dependencies import Cursor, Limit, MovieId, ServiceDependency, decode_cursor, link_next
from app.api.edge.direct import briefly, direct
from app.api.edge.rules import EDITOR, VIEWER, CallerDependency
from app.api.etags import SHOWN, IfMatchDependency, mark, tag_of_movie, tagged
from app.api.idempotency import OnceDependency, Reply
from app.api.merges import MergeBody
from app.api.tasks import Started
from app.api.values import MOST, NUMBER, Genre, Id, ImdbId, Title, Words, Year
from app.errors import Invalid
from app.imports import arrivals
from app.imports.merges import MERGED_MOVIES, MergeMoviesParams
from app.movie import Movie, imdb_number
from app.repository import lookups, movie_merges, movies, ratings
from app.repository.search import search
from app.service import Service

router = APIRouter(prefix="/movies", tags=["movies"])

NO_MOVIE = refusals(NotFound="There is no such movie")
NO_MOVIE_OR_CHANGED = refusals(
    NotFound="There is no such movie", PreconditionFailed="It is not as If-Match says any more"
)

MOVED_OR_NONE = NO_MOVIE | sends("Cache-Control", status=308)
"""A movie that was merged is now where `Location` leads."""


class MovieBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Title
    year: Annotated[Year, NUMBER] | None = None
    genre: Genre | None = None


class NewMovie(MovieBody):
    """Its ids at IMDb and TMDB, where they are known, find it for the rows and events that tell them."""

    imdb_id: ImdbId | None = None
    tmdb_id: Annotated[Id, NUMBER, Field(gt=0)] | None = None


class MovieChanges(BaseModel):
    """What is named is changed; null and an empty text clear a year or genre."""

    model_config = ConfigDict(extra="forbid")

    title: Title = Field(default_factory=str)
    year: Annotated[Year, NUMBER] | None = Field(default_factory=lambda: None)
    genre: Genre | None = Field(default_factory=lambda: None)


@router.post(
    "",
    dependencies=[EDITOR],
    status_code=201,
    response_model=MovieAnswer,
    responses=refusals(Conflict="Another movie has its IMDb or TMDB id")
    | sends("Location", "ETag", status=201),
)
def create_movie(body: NewMovie, once: OnceDependency) -> Any:
    """Add a movie, under an id of its own; no import overwrites it. Rows that wait for it end.

    `genre` may hold several, separated by "|".
    """

    def create(connection: Connection) -> Reply:
        movie = arrivals.create_movie(
            connection,
            body.title,
            body.year,
            body.genre or None,
            now=time.time(),
            imdb_id=imdb_number(body.imdb_id),
            tmdb_id=body.tmdb_id,
        )
        return Reply(movie, 201, {"Location": f"/movies/{movie.id}", "ETag": tag_of_movie(movie)})

    return once(body, create)


@router.get("", dependencies=[VIEWER, *SHOWN], response_model=list[MovieAnswer])
async def list_movies(
    request: Request,
    response: Response,
    service: ServiceDependency,
    query: Annotated[Words, Query(description="what is known of the title; the closest first")] = "",
    ids: Annotated[
        list[Id] | None,
        Query(max_length=MOST, description="these, in this order, each once: ids=1&ids=2"),
    ] = None,
    imdb_id: Annotated[ImdbId | None, Query(description="the movie with that id at IMDb")] = None,
    tmdb_id: Annotated[Id | None, Query(description="the movie with that id at TMDB")] = None,
    genre: Annotated[Genre | None, Query(description="movies of this genre alone")] = None,
    year_from: Annotated[Year | None, Query(description="released in this year or later")] = None,
    year_to: Annotated[Year | None, Query(description="released in this year or earlier")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Any:
    """Movies by id, or those that a search or a filter finds.

    Of `ids` that no movie has the list says nothing; for one that was merged into another movie it has that
    one. `ids` goes with no other parameter; `imdb_id` and `tmdb_id` go with each other alone.
    """

    def find() -> list[Movie]:
        years = (year_from, year_to)
        if ids is not None or imdb_id is not None or tmdb_id is not None:
            _refuse_others(request, {"ids"} if ids is not None else {"imdb_id", "tmdb_id"})
            number = imdb_number(imdb_id)
            with service.database.read() as connection:
                if ids is not None:
                    return lookups.asked(connection, ids)
                return lookups.linked(connection, imdb_id=number, tmdb_id=tmdb_id)
        with service.database.read() as connection:
            if query.strip():
                after = decode_cursor(cursor, 3)
                hits = search(connection, query, limit=limit, after=after, genre=genre, years=years)
                link_next(request, response, limit, hits, lambda hit: hit.place)
                return [hit.movie for hit in hits]
            (after_id,) = decode_cursor(cursor, 1) or (-1,)
            found = movies.listing(connection, limit=limit, after=after_id, genre=genre, years=years)
        link_next(request, response, limit, found, lambda m: (m.id,))
        return found

    return written(list(map(movie_fields, await briefly(find))), response)


def _refuse_others(request: Request, asked: set[str]) -> None:
    """Raises `Invalid` for a parameter that would have no effect beside the ids that are asked for."""
    if others := sorted(request.query_params.keys() - asked - {"limit"}):
        raise Invalid(
            f"{others[0]} has no effect beside ids of movies. Leave it out.",
            errors=[{"detail": "goes with no ids", "parameter": other} for other in others],
        )


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


@router.get("/{movie_id}/histogram", dependencies=[VIEWER, *SHOWN], responses=MOVED_OR_NONE)
def histogram(movie_id: MovieId, service: ServiceDependency) -> dict[str, int]:
    """How many ratings of each score the movie has, from 0.5 to 5.0."""
    with service.database.read() as connection:
        movies.get(connection, movie_id)
        return ratings.histogram(connection, movie_id)


@router.get("/{movie_id}", dependencies=[VIEWER], response_model=MovieAnswer, responses=MOVED_OR_NONE)
@tagged
@direct()
async def get_movie(
    movie_id: MovieId, request: Request, response: Response, service: ServiceDependency
) -> Response:
    """A movie; 308 for one that was merged: `Location` is what it is now.

    Its ETag is of all that is shown here, for If-None-Match and If-Match.
    """
    movie = await briefly(find_movie, service, movie_id)
    mark(request, response, tag_of_movie(movie))
    return written(movie_fields(movie), response)


def find_movie(service: Service, movie_id: int) -> Movie:
    with service.database.read() as connection:
        return movies.get(connection, movie_id)


@router.post(
    "/{movie_id}/merge",
    dependencies=[EDITOR],
    status_code=202,
    response_model=Started,
    responses=refusals(
        NotFound="There is no such movie", Conflict="One of them is merged already, or is about to be"
    ),
)
def merge_movies(
    movie_id: MovieId,
    body: MergeBody,
    background: BackgroundTasks,
    service: ServiceDependency,
    caller: CallerDependency,
    once: OnceDependency,
) -> Any:
    """Queue a task that makes the movie `from`, which is the same one, a part of this.

    Its ratings move, of two of a user the newer one stays; its id leads here from then on.
    `POST /tasks/{task_id}/undo` takes it back.
    """
    if body.from_id == movie_id:
        raise Invalid(f"Movie {movie_id} cannot be merged into itself. Name another one in `from`.")

    def start(connection: Connection) -> Reply:
        for each in (movie_id, body.from_id):
            movie_merges.require_unmerged(connection, each)
        params = MergeMoviesParams(movie_id, body.from_id)
        return merges.start(connection, service, caller, MERGED_MOVIES, params)

    background.add_task(service.wake_worker)
    return once(body, start)


@router.put("/{movie_id}", dependencies=[EDITOR], response_model=MovieAnswer, responses=NO_MOVIE_OR_CHANGED)
def replace_movie(
    movie_id: MovieId,
    body: MovieBody,
    response: Response,
    changes: ChangesDependency,
    if_match: IfMatchDependency,
) -> Any:
    """Replace title, year and genre: a year or genre that is not given is cleared. PATCH keeps it."""
    with changes.write() as connection:
        if_match.require(tag_of_movie(movies.get(connection, movie_id, lock=True)))
        movie = movies.replace(connection, movie_id, body.title, body.year, body.genre or None)
    response.headers["ETag"] = tag_of_movie(movie)
    return movie


@router.patch("/{movie_id}", dependencies=[EDITOR], response_model=MovieAnswer, responses=NO_MOVIE_OR_CHANGED)
def change_movie(
    movie_id: MovieId,
    body: MovieChanges,
    response: Response,
    changes: ChangesDependency,
    if_match: IfMatchDependency,
) -> Any:
    """Change what the body names, and nothing else; null clears a year or genre (RFC 7396)."""
    with changes.write() as connection:
        movie = movies.get(connection, movie_id, lock=True)
        if_match.require(tag_of_movie(movie))
        wanted: dict[str, Any] = {"title": movie.title, "year": movie.year, "genre": movie.genre}
        if changed := body.model_dump(include=body.model_fields_set):
            wanted |= changed
            movie = movies.replace(
                connection, movie_id, wanted["title"], wanted["year"], wanted["genre"] or None
            )
    response.headers["ETag"] = tag_of_movie(movie)
    return movie


@router.delete(
    "/{movie_id}",
    dependencies=[EDITOR],
    status_code=204,
    responses=refusals(
        NotFound="There is no such movie",
        Conflict="It has ratings, and `force` is not given",
        PreconditionFailed="It is not as If-Match says any more",
    ),
)
def delete_movie(
    movie_id: MovieId,
    changes: ChangesDependency,
    if_match: IfMatchDependency,
    force: Annotated[bool, Query(description="delete its ratings too")] = False,
) -> None:
    """Delete a movie; with `force` also its ratings. The id is not given again."""
    with changes.write() as connection:
        if_match.require(tag_of_movie(movies.get(connection, movie_id, lock=True)))
        movies.delete(connection, movie_id, force=force)

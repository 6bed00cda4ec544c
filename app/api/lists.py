"""For other programs: recommendations at an address with a secret, and all that a person said as CSV."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic_core import to_json
from sqlalchemy.engine import Connection

from app.api import etags
from app.api.answers import refusals, sends
from app.api.changes import ChangesDependency
from app.api.dependencies import Cursor, Limit, ServiceDependency, UserId, decode_cursor, link_next
from app.api.edge.manners import Manner, served
from app.api.edge.rules import OWN, PUBLIC
from app.api.exports import CSV, download
from app.api.idempotency import OnceDependency, Reply
from app.api.recommendations import caller_of, tag_of_list
from app.api.values import NUMBER, PRINTABLE, Id
from app.errors import NotFound
from app.movie import Movie
from app.people import tokens
from app.players import export, lists
from app.players.export import Sheet
from app.rating import MAX_ID
from app.repository import list_addresses
from app.repository.list_addresses import ListAddress
from app.service import Service
from app.serving.recommendations import Filters
from app.serving.taste import taste_of

router = APIRouter(tags=["players"])

Secret = Annotated[str, StringConstraints(max_length=100, pattern=PRINTABLE), Path(description="of the list")]
Number = Annotated[int, Path(ge=1, le=MAX_ID, description="of the address")]
Length = Annotated[int, Query(ge=1, le=200, description="how many movies at most")]
FILES = ("radarr.json", "rss.xml", "recommendations.csv")
NO_LIST = refusals(NotFound="No such list")


class ListBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_id: Annotated[Id, NUMBER]


class ListAnswer(BaseModel):
    number: int
    user_id: int
    created_at: datetime


class NewListAnswer(ListAnswer):
    """`addresses`: of the list for each program, by name; they are in no other answer."""

    addresses: dict[str, str]


class Wanted(BaseModel):
    """A movie of a list of Radarr. `id`: that of TMDB, as `tmdb_id`."""

    title: str
    year: int | None
    imdb_id: str | None = None
    id: int | None = None
    tmdb_id: int | None = None


class Csv(StreamingResponse):
    media_type = "text/csv"


class Feed(Response):
    media_type = "application/rss+xml"


@router.post(
    "/lists",
    dependencies=[OWN],
    status_code=201,
    response_model=NewListAnswer,
    responses=sends("Location", "Cache-Control", status=201)
    | refusals(Conflict="Too many lists, or the addresses of this Idempotency-Key were shown before"),
)
def add_list(body: ListBody, once: OnceDependency) -> Any:
    """Make an address at which a person's recommendations can be read without logging in."""

    def add(connection: Connection) -> Reply:
        secret = tokens.new_secret()
        made = list_addresses.add(connection, body.user_id, tokens.digest(secret), now=time.time())
        refusal = (
            f"The first request made list {made.number}, whose addresses were shown once. If they are lost, "
            f"delete it (DELETE /lists/{made.number}) and make another under a new Idempotency-Key."
        )
        addresses = {name.partition(".")[0]: f"/list/{secret}/{name}" for name in FILES}
        headers = {"Location": f"/lists/{made.number}", "Cache-Control": "no-store"}
        return Reply(_answer(made) | {"addresses": addresses}, 201, headers, shown_once=refusal)

    return once(body, add)


@router.get("/lists", dependencies=[OWN], response_model=list[ListAnswer])
def list_addresses_of_lists(
    request: Request,
    response: Response,
    service: ServiceDependency,
    user_id: Annotated[Id | None, Query(description="of this person alone")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Which lists have an address, by number; without the addresses."""
    (after,) = decode_cursor(cursor, 1) or (0,)
    with service.database.read() as connection:
        found = list_addresses.listing(connection, user_id=user_id, limit=limit, after=after)
    link_next(request, response, limit, found, lambda last: (last.number,))
    return [_answer(one) for one in found]


@router.delete("/lists/{number}", dependencies=[OWN], status_code=204, responses=NO_LIST)
def delete_list(
    number: Number,
    changes: ChangesDependency,
    user_id: Annotated[Id | None, Query(description="whose it is")] = None,
) -> None:
    """Delete the address of a list: it leads nowhere from then on."""
    with changes.write() as connection:
        list_addresses.remove(connection, number, user_id)


@router.get(
    "/list/{secret}/radarr.json", dependencies=[PUBLIC], response_model=list[Wanted], responses=NO_LIST
)
@etags.tagged
def radarr_list(secret: Secret, request: Request, service: ServiceDependency, limit: Length = 50) -> Response:
    """Recommendations as a custom list of Radarr: movies with an IMDb or TMDB id. Needs no login."""
    response = Response(media_type="application/json")
    response.body = to_json(lists.radarr(_recommended(secret, request, response, service, limit)))
    return _whole(response)


@router.get("/list/{secret}/rss.xml", dependencies=[PUBLIC], response_class=Feed, responses=NO_LIST)
@etags.tagged
def rss_list(secret: Secret, request: Request, service: ServiceDependency, limit: Length = 50) -> Response:
    """Recommendations as a feed (RSS 2.0). Needs no login."""
    response = Feed()
    response.body = lists.rss(_recommended(secret, request, response, service, limit)).encode()
    return _whole(response)


@router.get(
    "/list/{secret}/recommendations.csv", dependencies=[PUBLIC], response_class=Csv, responses=NO_LIST
)
@etags.tagged
def csv_list(secret: Secret, request: Request, service: ServiceDependency, limit: Length = 50) -> Response:
    """Recommendations with their IMDb ids, as the list import of Letterboxd takes them. Needs no login."""
    response = Response(media_type="text/csv; charset=utf-8")
    response.body = lists.letterboxd(_recommended(secret, request, response, service, limit)).encode()
    return _whole(response)


def _whole(response: Response) -> Response:
    response.headers["Content-Length"] = str(len(response.body))
    return response


def _recommended(
    secret: str, request: Request, response: Response, service: Service, limit: int
) -> list[Movie]:
    """The movies of the list, never one that was rated, watched or is of no interest; and its tag."""
    with service.database.read() as connection:
        user_id = list_addresses.whose(connection, tokens.digest(secret))
        if user_id is None:
            raise NotFound("There is no list at this address. POST /lists makes one.")
        serving = service.model.serve(connection)
        taste = taste_of(connection, user_id)
        tag = tag_of_list(request, serving, taste, serving.shown)
        etags.check(request, tag)
        filters = taste.narrow(Filters())
        with service.heavy.turn(len(taste.rated) * limit, caller_of(request)) as step:
            found, _ = serving.rich(taste.rated, limit, filters, reasons=False, step=step)
    etags.mark(request, response, tag)
    return [one.movie for one in found]


@router.get("/users/{user_id}/marks.csv", dependencies=[OWN], response_class=StreamingResponse, responses=CSV)
@served(Manner.STREAMS)
async def export_marks(user_id: UserId, request: Request, service: ServiceDependency) -> StreamingResponse:
    """A person's scores and marks with their times, one line each, by movie."""
    return await download(request, f"marks-{user_id}.csv", _marks(service, user_id))


@router.get(
    "/users/{user_id}/letterboxd.csv", dependencies=[OWN], response_class=StreamingResponse, responses=CSV
)
@served(Manner.STREAMS)
async def export_for_letterboxd(
    user_id: UserId,
    request: Request,
    service: ServiceDependency,
    sheet: Annotated[
        Sheet, Query(description="watched: with scores, for its import; or its watchlist")
    ] = Sheet.WATCHED,
) -> StreamingResponse:
    """A person's scores, watched movies or watchlist, as Letterboxd imports them."""
    name = f"letterboxd-{sheet}-{user_id}.csv"
    return await download(request, name, _letterboxd(service, user_id, sheet))


def _marks(service: Service, user_id: int) -> Iterator[str]:
    yield from export.marks_csv(service.database, user_id)  # the thread of the first block opens the database


def _letterboxd(service: Service, user_id: int, sheet: Sheet) -> Iterator[str]:
    yield from export.letterboxd_csv(service.database, user_id, sheet)


def _answer(one: ListAddress) -> dict[str, Any]:
    created = datetime.fromtimestamp(one.created_at, UTC)
    return {"number": one.number, "user_id": one.user_id, "created_at": created}

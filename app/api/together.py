"""One list of recommendations for several people over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.engine import Connection

from app.api import movie_lists
from app.api.answers import MovieAnswer, refusals, written
from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.rules import AMONG, CallerDependency
from app.api.movie_lists import Movies, Reason, Source
from app.api.recommendations import caller_of
from app.api.values import NUMBER, Id
from app.api.wishes import Wanted
from app.errors import Forbidden, Invalid
from app.repository import users
from app.serving import heavy, together
from app.serving.taste import Taste, taste_of
from app.serving.together import FEWEST, MOST, Common, Rule, Together
from app.user import Caller

router = APIRouter(tags=["recommendations"])

Limit = Annotated[int, Field(ge=1, le=100), NUMBER]


class TogetherWish(Wanted):
    """For whom, and by which rule: the least that one of them gets out of a movie, or the mean of all."""

    users: Annotated[list[Annotated[Id, NUMBER]], Field(min_length=FEWEST, max_length=MOST)]
    limit: Limit = 10
    rule: Rule = "least"


class PartAnswer(BaseModel):
    """What a person gets out of a movie; all is null for one whom the model does not know.

    `share`, 0 to 1: their preference over the best that they could get from a list for these people, so that
    shares of several people compare. `because`: the rating of theirs that adds most to it.
    """

    user_id: int
    share: float | None
    preference: float | None
    because: Reason | None


class CommonMovie(BaseModel):
    """`least` and `mean`: of the shares; null in a popular list."""

    movie: MovieAnswer
    least: float | None
    mean: float | None
    parts: list[PartAnswer]


class TogetherAnswer(BaseModel):
    """Best first. `known`: the people whom the model knows; `source` is "popular" if there are none.

    It is "popular" as well where the filters leave nothing that the model could tell apart.
    """

    source: Source
    rule: Rule
    model_version: int
    known: list[int]
    recommendations: list[CommonMovie]


@router.post(
    "/recommendations/together",
    dependencies=[AMONG],
    response_model=TogetherAnswer,
    responses=refusals(Forbidden="One of them does not allow it, or a viewer does not name themselves"),
)
@served(Manner.READS)
def recommend_together(
    request: Request,
    body: TogetherWish,
    response: Response,
    service: ServiceDependency,
    caller: CallerDependency,
) -> Response:
    """One list for two to eight people, with what each gets out of it and why. Nothing is stored.

    No movie that one of them rated, watched or is not interested in. A viewer names themselves and people who
    allow it (`PUT /users/{user_id}/together`).
    """
    # Always as a heavy one: how many ratings the people have is known only when they have been read.
    with (
        service.heavy.turn(heavy.COST, caller_of(request)) as step,
        service.database.read() as connection,
    ):
        tastes = _tastes(connection, body.users, caller)
        serving = service.model.serve(connection)
        found = together.recommend(
            serving,
            tastes,
            body.limit,
            body.filters,
            rule=body.rule,
            popularity=body.popularity,
            step=step,
        )
    answer = {"source": found.source, "rule": body.rule, "model_version": serving.version}
    return written(answer | _fields(found), response)


def _tastes(connection: Connection, named: list[int], caller: Caller) -> dict[int, Taste]:
    """Raises `Forbidden` if one of them does not allow it, `Invalid` for who is unknown or there twice."""
    tastes = dict[int, Taste]()
    for place, user_id in enumerate(named):
        user = users.find(connection, user_id)
        if caller.confined_to not in (None, user_id) and not (user and user.together):
            raise Forbidden(
                f"User {user_id} does not allow it. They may: PUT /users/{user_id}/together with "
                '{"allowed": true}.'
            )
        taste = taste_of(connection, user_id)
        if user_id in tastes:
            raise _wrong(place, f"User {user_id} is named twice. Name each person once.")
        if user is None and not (taste.rated or taste.hidden or taste.watchlist):
            raise _wrong(place, f"There is no user {user_id}. GET /users?all=true lists those there are.")
        tastes[user_id] = taste
    return tastes


def _wrong(place: int, detail: str) -> Invalid:
    return Invalid(detail, errors=[{"detail": detail, "pointer": f"#/users/{place}"}])


def _fields(found: Together) -> dict[str, Any]:
    fields = Movies()
    return {"known": found.known, "recommendations": [_common(one, fields) for one in found.movies]}


def _common(one: Common, fields: Movies) -> dict[str, Any]:
    """As `CommonMovie`."""
    parts = []
    for part in one.parts:
        because = movie_lists.reasons([part.because], fields)[0] if part.because else None
        parts.append(
            {
                "user_id": part.user_id,
                "share": part.share,
                "preference": part.preference,
                "because": because,
            }
        )
    return {"movie": fields(one.movie), "least": one.least, "mean": one.mean, "parts": parts}

"""Hooks over HTTP: addresses that media players send events to, each with a secret of its own.

The address is shown once, and of its secret the SHA-256 alone is kept.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool

from app.api.answers import refusals, sends
from app.api.changes import ChangesDependency
from app.api.dependencies import Cursor, Limit, ServiceDependency, decode_cursor, link_next
from app.api.edge.bodies import CLOSE
from app.api.edge.manners import Manner, served
from app.api.edge.places import place
from app.api.edge.rules import OWN, PUBLIC, CallerDependency
from app.api.idempotency import OnceDependency, Reply
from app.api.messages import receive
from app.api.values import NUMBER, PRINTABLE, Id
from app.errors import Forbidden, NotFound
from app.imports.finding import find
from app.people import tokens
from app.players import counting
from app.players.counting import Tally
from app.players.event import LONGEST_NAME, Ignored
from app.players.readers import Player, read
from app.rating import MAX_ID
from app.repository import hooks
from app.repository.hooks import MOST_NAMES, Hook
from app.service import Service
from app.user import Caller

router = APIRouter(tags=["players"])

Result = TypeVar("Result")
Number = Annotated[int, Path(ge=1, le=MAX_ID, description="of the hook")]
Owner = Annotated[Id | None, Query(description="whose they are")]
Secret = Annotated[str, StringConstraints(max_length=100, pattern=PRINTABLE), Path(description="of the hook")]
UserName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=PRINTABLE)]
Names = dict[UserName, Annotated[Id, NUMBER] | None]


class HookBody(BaseModel):
    """`user_id`: whose it is; without, of a household. `names`: who the users of the player are."""

    model_config = ConfigDict(extra="forbid")

    player: Player
    user_id: Annotated[Id, NUMBER] | None = None
    names: Annotated[Names, Field(max_length=MOST_NAMES)] = {}


class NamesBody(RootModel[Annotated[Names, Field(max_length=MOST_NAMES)]]):
    """Who the users of the player are: a person's id by each name. null: their events are ignored."""


class HookAnswer(BaseModel):
    """`names`: whose events those of a user are. `unknown_names`: how many events wait for each other one.

    `counted`, `repeated`, `ignored`, `dropped`: events so far, the last those that had no room to wait.
    """

    number: int
    player: Player
    user_id: int | None
    names: dict[str, int | None]
    unknown_names: dict[str, int]
    counted: int
    repeated: int
    ignored: int
    dropped: int
    created_at: datetime
    used_at: datetime | None


class NewHookAnswer(HookAnswer):
    """`address`: what is typed into the player; it is in no other answer."""

    address: str


class Heard(BaseModel):
    """What became of the events of a message. `repeated`: an event near it, or of its session, has counted.

    `waiting`: it is not said yet who the user is. `without_movie`: of those counted, rows that wait for their
    movie. `reason`: why events were ignored, wait or were dropped.
    """

    counted: int = 0
    repeated: int = 0
    waiting: int = 0
    ignored: int = 0
    dropped: int = 0
    without_movie: int = 0
    reason: str | None = None


NO_HOOK = refusals(NotFound="No such hook")


@router.post(
    "/hooks",
    dependencies=[OWN],
    status_code=201,
    response_model=NewHookAnswer,
    responses=sends("Location", "Cache-Control", status=201)
    | refusals(Conflict="Too many hooks, or the address of this Idempotency-Key was shown before"),
)
def add_hook(body: HookBody, caller: CallerDependency, once: OnceDependency) -> Any:
    """Make an address for a player. Repeated with one Idempotency-Key: 409, since the address is not kept."""
    _judge_names(caller, body.names)

    def add(connection: Connection) -> Reply:
        secret, now = tokens.new_secret(), time.time()
        hook = hooks.add(connection, body.player, body.user_id, tokens.digest(secret), now=now)
        hooks.put_names(connection, hook.number, body.names)
        refusal = (
            f"The first request made hook {hook.number}, whose address was shown once. If it is lost, delete "
            f"the hook (DELETE /hooks/{hook.number}) and make another under a new Idempotency-Key."
        )
        headers = {"Location": f"/hooks/{hook.number}", "Cache-Control": "no-store"}
        (shown,) = _answers(connection, [hook])
        return Reply(shown | {"address": f"/hook/{secret}"}, 201, headers, shown_once=refusal)

    return once(body, add)


@router.get("/hooks", dependencies=[OWN], response_model=list[HookAnswer])
def list_hooks(
    request: Request,
    response: Response,
    service: ServiceDependency,
    user_id: Owner = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> list[dict[str, Any]]:
    """Hooks by number, with names and how many events wait for names that are not known."""
    (after,) = decode_cursor(cursor, 1) or (0,)
    with service.database.read() as connection:
        found = hooks.listing(connection, user_id=user_id, limit=limit, after=after)
        shown = _answers(connection, found)
    link_next(request, response, limit, found, lambda last: (last.number,))
    return shown


@router.put(
    "/hooks/{number}/names",
    dependencies=[OWN],
    response_model=Heard,
    responses=refusals(NotFound="No such hook", Conflict="The hook would have too many names"),
)
def name_users(
    number: Number,
    body: NamesBody,
    caller: CallerDependency,
    changes: ChangesDependency,
    user_id: Owner = None,
) -> dict[str, Any]:
    """Say who users of the player are; others stay as they are. What waited for that is counted now."""
    _judge_names(caller, body.root)
    with changes.write() as connection:
        hook = hooks.get(connection, number, user_id)
        tally = counting.name_users(connection, hook, dict(body.root), now=time.time())
    return _heard(tally)


@router.delete("/hooks/{number}", dependencies=[OWN], status_code=204, responses=NO_HOOK)
def delete_hook(number: Number, changes: ChangesDependency, user_id: Owner = None) -> None:
    """Delete a hook with what waits for names; what has counted stays. Its address leads nowhere then."""
    with changes.write() as connection:
        hooks.remove(connection, hooks.get(connection, number, user_id).number)


@router.post(
    "/hook/{secret}",
    dependencies=[PUBLIC],
    response_model=Heard,
    responses=NO_HOOK | refusals(TooLarge="More than 1 MB, or 5 MB as a form"),
)
@served(Manner.UPLOADS)
async def take_message(secret: Secret, request: Request, service: ServiceDependency) -> dict[str, Any]:
    """A message of a player: JSON, or a form with the field `payload` or `data`. Needs no login."""
    hook = await _in_place(request, lambda: _hook_at(service, secret))
    message, now = await receive(request), time.time()
    try:
        events = read(Player(hook.player), message, int(now))
    except Ignored as ignored:
        tally = Tally(ignored=1, reason=str(ignored))
        await _in_place(request, lambda: _note(service, hook, tally, now))
        return _heard(tally)

    def take() -> Tally:
        with service.database.read() as connection:
            matches = {event.work.key: find(connection, event.work) for event in events}
        with service.database.write() as connection:
            tally = counting.take(connection, hook, events, matches, now=now)
            hooks.note(connection, hook.number, tally.figures, now=now)
        return tally

    return _heard(await _in_place(request, take))


async def _in_place(request: Request, run: Callable[[], Result]) -> Result:
    async with place(request):
        return await run_in_threadpool(run)


def _hook_at(service: Service, secret: str) -> Hook:
    """Raises `NotFound`, before the body is read."""
    with service.database.read() as connection:
        hook = hooks.find(connection, tokens.digest(secret))
    if hook is None:
        raise NotFound("There is no hook at this address. POST /hooks makes one.", headers=CLOSE)
    return hook


def _note(service: Service, hook: Hook, tally: Tally, now: float) -> None:
    with service.database.write() as connection:
        hooks.note(connection, hook.number, tally.figures, now=now)


def _judge_names(caller: Caller, names: Names) -> None:
    """Raises `Forbidden` if a viewer would give others events."""
    own = caller.confined_to
    if own is not None and any(user_id not in (own, None) for user_id in names.values()):
        raise Forbidden(f"You are user {own}, and may not say that a user of a player is another person.")


def _heard(tally: Tally) -> dict[str, Any]:
    return {
        name: getattr(tally, name) or None if name == "reason" else getattr(tally, name)
        for name in Heard.model_fields
    }


def _answers(connection: Connection, found: list[Hook]) -> list[dict[str, Any]]:
    numbers = [hook.number for hook in found]
    names, unknown = hooks.names(connection, numbers), hooks.waiting(connection, numbers)
    return [
        {name: getattr(hook, name) for name in Hook.__slots__}
        | {
            "names": names[hook.number],
            "unknown_names": unknown[hook.number],
            "created_at": _time(hook.created_at),
            "used_at": None if hook.used_at is None else _time(hook.used_at),
        }
        for hook in found
    ]


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)

"""The page of addresses with a secret: those that players report to, and those of a person's list."""

from fastapi import APIRouter, Request, Response

from app.api.dependencies import ServiceDependency
from app.api.edge.rules import VIEWER, CallerDependency
from app.players.player import Player
from app.rating import MAX_ID
from app.repository import hooks, list_addresses
from app.user import Caller
from app.web.shell import page

MOST = 200
"""Addresses of a kind on the page."""

router = APIRouter(include_in_schema=False)


@router.get("/players", dependencies=[VIEWER])
def players(request: Request, service: ServiceDependency, caller: CallerDependency) -> Response:
    """Those of the person in `?user=`, which the page's script adds without a login."""
    user_id = _whose(caller, request.query_params.get("user", ""))
    with service.database.read() as connection:
        found = [] if user_id is None else hooks.listing(connection, user_id=user_id, limit=MOST)
        unknown = hooks.waiting(connection, [hook.number for hook in found])
        lists = [] if user_id is None else list_addresses.listing(connection, user_id=user_id, limit=MOST)
    rows = [(hook, unknown[hook.number]) for hook in found]
    return page(request, "players", players=list(Player), hooks=rows, lists=lists, whose=user_id)


def _whose(caller: Caller, asked: str) -> int | None:
    if caller.confined_to is None and asked.isdecimal() and len(asked) < 20 and int(asked) <= MAX_ID:
        return int(asked)
    return caller.user_id

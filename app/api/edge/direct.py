"""The plain form of the busiest routes, without what FastAPI does for every form of them.

A request whose path and query hold nothing but whole numbers as everybody writes them goes to its endpoint
directly, with the values that FastAPI would have found; any other form takes FastAPI's way, which refuses
what is wrong. The endpoint is the same, so are its answers. Parameters and models stay in the description.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from fastapi import Request, Response
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from app import brief
from app.api.edge.root_path import path_below
from app.rating import MAX_ID
from app.storage.database import Database

Found = TypeVar("Found")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Awaitable[Response]])

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_QUERY = re.compile(rb"(?:([a-z_]+)=(0|[1-9][0-9]{0,18}))?")


@dataclass(frozen=True, slots=True)
class Direct:
    """What an endpoint takes. `query`: the parameter with a number, from 1 to its largest value."""

    query: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    def values(self, path: Mapping[str, str], query: bytes) -> dict[str, Any] | None:
        """The arguments for the endpoint; None if the request has another form."""
        if (found := _QUERY.fullmatch(query)) is None:
            return None
        values: dict[str, Any] = dict(self.others)
        for name, text in path.items():
            if not _NUMBER.fullmatch(text) or (number := int(text)) > MAX_ID:
                return None
            values[name] = number
        if found[1] is not None:
            name, number = found[1].decode(), int(found[2])
            if not 1 <= number <= self.query.get(name, 0):
                return None
            values[name] = number
        return values


def direct(query: Mapping[str, int] | None = None, **others: Any) -> Callable[[Endpoint], Endpoint]:
    """Declare that an endpoint answers plain requests directly.

    It takes `request`, `response` and `service`, the numbers in its path, and with the defaults of Python
    what its query may have; `others`: what FastAPI's dependencies give it if the query has nothing for them.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        endpoint.direct = Direct(query or {}, others)  # type: ignore[attr-defined]
        return endpoint

    return declare


async def briefly(work: Callable[..., Found], *given: Any) -> Found:
    """Do the work, which only reads: in the event loop if it is short, else in a thread."""
    try:
        return brief.attempt(partial(work, *given))
    except brief.TooLong:
        return await run_in_threadpool(work, *given)


async def written_briefly(database: Database, work: Callable[[Connection], Found]) -> Found:
    """Do the work in a transaction that writes: in the event loop if it need not wait, else in a thread."""
    try:
        return await database.write_briefly(work)
    except brief.TooLong:
        return await run_in_threadpool(_written, database, work)


def _written(database: Database, work: Callable[[Connection], Found]) -> Found:
    with database.write() as connection:
        return work(connection)


class _Headers(Response):
    """What FastAPI gives an endpoint for the headers of its response: none so far."""

    def init_headers(self, _headers: Mapping[str, str] | None = None) -> None:
        self.raw_headers = []


class Directly:
    """The last layer: calls the endpoints of plain requests itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (call := _plain(scope)) is None:
            await self.app(scope, receive, send)
            return
        request, response = Request(scope, receive), _Headers()
        service = scope["app"].state.service
        try:
            await scope["rule"](request)
            answer = await scope["endpoint"](request=request, response=response, service=service, **call)
        except Exception as error:
            if (handle := scope["app"].exception_handlers.get(type(error))) is None:
                raise
            answer = await handle(request, error)
        await answer(scope, receive, send)


def _plain(scope: Scope) -> dict[str, Any] | None:
    """The arguments for the endpoint of a plain request; None for any other."""
    route = scope["direct"]
    if route is None or (found := route.path_regex.match(path_below(scope))) is None:
        return None
    path = found.groupdict()
    values: dict[str, Any] | None = route.endpoint.direct.values(path, scope["query_string"])
    if values is not None:
        scope["path_params"] = {name: values[name] for name in path}
        scope["route"], scope["endpoint"] = route, route.endpoint
    return values

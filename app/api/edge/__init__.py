"""What lets a request in: a stack of small layers, each with one job and a file of its own.

A layer is pure ASGI, for requests alone; what it refuses it raises as an `AppError`, which `Failures` turns
into the answer. `Edge` builds the stack once, from the list in `layers`.
"""

from collections.abc import Callable, Sequence
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from app import descriptors
from app.api.edge.bodies import Bodies
from app.api.edge.callers import Callers
from app.api.edge.failures import Failures
from app.api.edge.headers import Headers
from app.api.edge.hosts import Hosts
from app.api.edge.methods import Methods
from app.api.edge.origins import Origins
from app.api.edge.places import WAITS, Places
from app.api.edge.request_ids import RequestIds
from app.api.edge.responses import Responses
from app.api.edge.shares import Shares
from app.api.edge.shutdown import Shutdown, UnderWay
from app.api.edge.statistics import Counting, Statistics
from app.config import Settings

Layer = Callable[[ASGIApp], ASGIApp]


def layers(settings: Settings, statistics: Statistics, shutdown: Shutdown) -> list[Layer]:
    """Everything that stands before an endpoint, in the order in which a request passes it."""
    names = frozenset(name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip())
    waits = min(WAITS, descriptors.most() // 2)
    return [
        partial(UnderWay, shutdown=shutdown),  # can be cut off at a stop
        RequestIds,  # has an id, in the answer and in the log
        partial(Counting, statistics=statistics),  # is counted, whatever becomes of it
        Headers,  # is answered with the headers that every answer carries
        Failures,  # is answered with a problem if a layer or an endpoint fails
        Callers,  # comes from this machine, without a detour
        partial(Hosts, names=names),  # was meant for this server
        partial(Origins, names=names),  # was not sent by a page of another origin, if it changes something
        Methods,  # names a method that the path has: from here on its manner is known
        Shares,  # leaves something to other callers
        Responses,  # has its answer sent after the work, not during it
        partial(Bodies, limit=settings.max_body),  # has been received whole, in time and within its limit
        partial(Places, waits=waits),  # has a place among those that work at once
    ]


class Edge:
    """The stack as one middleware. Requests pass it; a lifespan does not; there are no websockets."""

    def __init__(self, app: ASGIApp, *, layers: Sequence[Layer], starting: Layer) -> None:
        self._lifespan = starting(app)
        self._first = app
        for layer in reversed(layers):
            self._first = layer(self._first)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["fields"] = dict(scope["headers"])  # the layers look at several
            await self._first(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

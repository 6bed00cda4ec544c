"""What lets a request in: a stack of small layers, each with one job and a file of its own.

A layer is pure ASGI and sees requests only. It refuses one by raising an `AppError`, which `Failures` turns
into the response. `Edge` builds the stack once, from the list in `layers`.
"""

from collections.abc import Callable, Sequence
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from app import descriptors, network
from app.api.edge.accepts import Accepts
from app.api.edge.again import Again
from app.api.edge.bodies import Bodies
from app.api.edge.callers import Callers
from app.api.edge.collisions import Collisions
from app.api.edge.compression import Compression
from app.api.edge.cors import Cors
from app.api.edge.direct import Directly
from app.api.edge.failures import Failures
from app.api.edge.headers import Headers
from app.api.edge.hosts import Hosts
from app.api.edge.limits import Limits
from app.api.edge.methods import Methods
from app.api.edge.origins import Origins
from app.api.edge.places import WAITS, Places
from app.api.edge.proxies import Proxies
from app.api.edge.queries import Queries
from app.api.edge.repetitions import Repetitions
from app.api.edge.requests import Requests
from app.api.edge.responses import Responses
from app.api.edge.root_path import RootPath
from app.api.edge.shares import Shares
from app.api.edge.shutdown import Shutdown, UnderWay
from app.service import Service
from app.storage import engine_of

Layer = Callable[[ASGIApp], ASGIApp]


def layers(service: Service, shutdown: Shutdown) -> list[Layer]:
    """The layers before an endpoint, in the order in which a request passes them: a request ..."""
    settings = service.settings
    names = network.host_names(settings.allowed_hosts)
    further = names - network.LOCAL_NAMES
    origins = network.origins(settings.cors_origins)
    writers = engine_of(settings).writers_at_once
    waits = min(WAITS, descriptors.most() // 2)
    return [
        partial(UnderWay, shutdown=shutdown),  # can be cancelled when the server stops
        partial(RootPath, root=settings.root_path),  # has a path with the prefix of this service
        # has an id, is counted and logged, however it ends
        partial(Requests, measures=service.measures, last=service.last_request),
        Headers,  # gets the headers of every response
        partial(Cors, origins=origins),  # may come from a page of a named origin
        Failures,  # gets a problem response if a layer or the endpoint fails
        Repetitions,  # has no header twice that means one thing
        partial(Proxies, trusted=settings.trusted_proxies),  # has the client, scheme and Host of its caller
        Methods,  # has a method that its path has; what its route declares is known from here on
        partial(Callers, service=service),  # comes from a caller who may use the route
        partial(Hosts, names=names),  # was meant for this server
        partial(Origins, names=further, named=origins),  # changes nothing for a page of another origin
        Queries,  # has no query parameter that its route does not know
        Accepts,  # takes what its route answers with
        partial(Limits, service=service),  # with the door open, is within the limits of its caller
        Shares,  # is one of not too many of its caller
        Responses,  # gets its response sent after its place is free again
        Compression,  # gets a long response compressed, if it can read that
        partial(Bodies, limit=settings.max_body),  # has been received whole, in time and within its limit
        Again,  # is run a second time if its caller's rights have just changed
        Collisions,  # is run again if its transaction collided with another one
        partial(Places, writers=writers, waits=waits),  # has one of the places for requests that run at once
        Directly,  # goes to its endpoint at once, if that takes its form itself
    ]


class Edge:
    """The stack as one middleware for requests; there are no websockets."""

    def __init__(self, app: ASGIApp, *, layers: Sequence[Layer], starting: Layer) -> None:
        self._lifespan = starting(app)
        self._first = app
        for layer in reversed(layers):
            self._first = layer(self._first)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["fields"] = dict(scope["headers"])  # several layers read them
            await self._first(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

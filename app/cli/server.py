"""The server of `matinee serve`: uvicorn, with limits on connections before and after a request.

Only the server sees a head that arrives slowly, an idle connection, and a response that is not read. Under
plain `uvicorn app.main:app` a proxy has to limit them (docs/configuration.md).
"""

import asyncio
import contextlib
import math
import os
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from app import descriptors
from app.cli import tls
from app.config import Settings

ACCEPTS = 2
"""Connections accepted in one go: requests under way wait as long for the event loop."""
BACKLOG = 256
"""Connections that wait in the kernel until they are accepted."""
STARTUP_FAILURE = 3
"""The exit status of uvicorn when its start fails."""
MOST = 8_000
"""Connections at once; an idle one takes some 20 kB."""
REFUSAL = b"HTTP/1.1 %s\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
LAST = 0.3
"""Seconds in which connections that are there get their last response, before idle ones are closed."""
SLOW_HEAD = 1.0
"""Seconds after which an incomplete head is closed before an idle connection, to make room."""


class Limits(NamedTuple):
    """Seconds for a head, and for a response without progress; connections in all; seconds between checks."""

    head: float = 10.0
    standstill: float = 30.0
    connections: int = MOST
    look_every: float = 1.0

    @property
    def of_an_address(self) -> int:
        """Nearly all: without accounts every caller may come from this machine."""
        return max(1, self.connections * 9 // 10)


class Protocol(H11Protocol):
    """A connection. No timer is set for each request: one check a second goes over all connections."""

    limits: ClassVar[Limits] = Limits()
    looking: ClassVar[asyncio.TimerHandle | None] = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.waiting_since: float | None = self.loop.time()
        """Since when a head is awaited; None while a request is under way."""
        self.begun = False
        """Whether a part of that head has arrived."""
        self._unsent, self._moved_at = 0, 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        kind = type(self)
        if kind.looking is None:
            kind.looking = self.loop.call_later(self.limits.look_every, self._look_on)
        if self._is_too_much() and not self._make_room():
            self._refuse(b"503 Service Unavailable")

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self.waiting_since = None
        elif not self.begun or self.waiting_since is None:
            self.waiting_since, self.begun = self.loop.time(), True

    def on_response_complete(self) -> None:
        self.waiting_since, self.begun = self.loop.time(), False
        super().on_response_complete()
        if not self.cycle.response_complete:  # the next request has arrived already
            self.waiting_since = None

    def _is_too_much(self) -> bool:
        count, share = len(self.connections), self.limits.of_an_address
        if count <= share or count > self.limits.connections or self.client is None:
            return count > self.limits.connections
        return sum(1 for c in self._others() if c.client and c.client[0] == self.client[0]) >= share

    def _others(self) -> Iterator["Protocol"]:
        return (c for c in self.connections if isinstance(c, Protocol) and c is not self)

    def _make_room(self) -> bool:
        least = least_missed([c for c in self._others() if c.waiting_since is not None], self.loop.time())
        if least is None:
            return False
        self.connections.discard(least)
        least.transport.abort()
        return True

    @property
    def address(self) -> str | None:
        return self.client[0] if self.client else None

    def _look_on(self) -> None:
        now, kind = self.loop.time(), type(self)
        for connection in list(self.connections):
            if isinstance(connection, Protocol):
                connection.look(now)
        kind.looking = None
        if self.connections:
            kind.looking = self.loop.call_later(self.limits.look_every, self._look_on)

    def look(self, now: float) -> None:
        """Close the connection if it has waited too long, for a head or for its reader."""
        if self.scheme == "https" and self.transport.is_closing():
            return  # its end has a limit of its own; closed twice, it has no buffer to look at
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent:
            self._moved_at = now
        self._unsent = unsent
        if unsent and now - self._moved_at > self.limits.standstill:
            self.transport.abort()
        elif self.waiting_since is not None and now - self.waiting_since > self.limits.head:
            if self.begun:
                self._refuse(b"408 Request Timeout")
            else:
                self.transport.close()

    def _refuse(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(REFUSAL % status)
            self.transport.close()


def least_missed(waiting: Sequence[Protocol], now: float) -> Protocol | None:
    """Of the connections that wait for a head, the one to close: it belongs to the address with most of them.

    A slow head comes first, else the connection that has been idle longest. `now`: time of the event loop.
    """
    shares = Counter(connection.address for connection in waiting)

    def rank(connection: Protocol) -> tuple[int, bool, float]:
        waited = now - (connection.waiting_since or now)
        return shares[connection.address], connection.begun and waited > SLOW_HEAD, waited

    return max(waiting, key=rank, default=None)


def options(settings: Settings) -> dict[str, Any]:
    """Arguments for uvicorn, whose environment must hold the same settings. Raises `ConfigurationError`."""
    secured = tls.context(settings)
    descriptors.raise_limit()
    connections = max(16, min(MOST, descriptors.most() - descriptors.RESERVE - ACCEPTS))
    limits = Protocol.limits._replace(connections=connections)
    return {
        "app": "app.main:app",
        "log_config": None,  # `app.logs` has configured it
        "loop": "asyncio",  # uvloop would accept all that wait in one go (`ACCEPTS`)
        "http": type("LimitedProtocol", (Protocol,), {"limits": limits}),
        "backlog": ACCEPTS,
        "proxy_headers": False,  # `app.api.edge.proxies` reads them
        "ssl_context_factory": (lambda _config, _default: secured) if secured else None,
        "timeout_graceful_shutdown": math.ceil(settings.shutdown_grace) + 1,
    }


class Server(uvicorn.Server):
    """Has a longer queue in the kernel than `backlog`, which also is how many asyncio accepts in one go.

    When it ends, callers that have connected before still get their response: a request that meets a closed
    connection is not repeated by a proxy, one whose connection is refused goes to the next server.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.config.is_ssl:
            loop, limits = asyncio.get_running_loop(), Protocol.limits
            listen = partial(
                loop.create_server, ssl_handshake_timeout=limits.head, ssl_shutdown_timeout=limits.head
            )
            loop.create_server = listen  # type: ignore[method-assign]  # uvicorn has no option for these
        await super().startup(sockets)
        for listening in (one for server in self.servers for one in server.sockets):
            with _same(listening) as same:
                same.listen(BACKLOG)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        waiting = [_same(one) for server in self.servers for one in server.sockets]
        for server in self.servers:
            server.close()
        for listening in waiting:
            with listening:  # closed as soon as no caller waits any more
                accepted = _accepted(listening)
            for one in accepted:
                await self._take(one)
        await asyncio.sleep(LAST)
        await super().shutdown(sockets)

    async def _take(self, accepted: socket.socket) -> None:
        kind, state = cast(type[Protocol], self.config.http_protocol_class), self.lifespan.state
        protocol = partial(kind, config=self.config, server_state=self.server_state, app_state=state)
        with contextlib.suppress(OSError):  # it has gone
            await asyncio.get_running_loop().connect_accepted_socket(protocol, accepted, ssl=self.config.ssl)


def _same(listening: socket.socket) -> socket.socket:
    return socket.socket(fileno=os.dup(listening.fileno()))


def _accepted(listening: socket.socket) -> list[socket.socket]:
    """The callers that wait to be accepted."""
    listening.setblocking(False)
    accepted = []
    with contextlib.suppress(BlockingIOError):
        while True:
            accepted.append(listening.accept()[0])
    return accepted


def serve(settings: Settings) -> None:
    """Serve until a signal. Exits with uvicorn's status if the start fails."""
    server = Server(uvicorn.Config(**options(settings), host=settings.host, port=settings.port))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)

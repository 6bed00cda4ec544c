"""A stop: streams end at once, other requests get the grace period, then they are cancelled.

uvicorn alone waits without limit for a slow client. This works for `uvicorn app.main:app` too: its signal
handler is a method of the server, which knows its connections.
"""

import asyncio
import logging
import math
import signal
import threading
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger("matinee.api")


class Shutdown:
    """Handles the signals that end the process, then calls the handlers of the server."""

    def __init__(self, grace: float) -> None:
        self.closing = threading.Event()
        self.under_way: set[asyncio.Task[Any]] = set()
        self.cut_off = False
        self._grace = grace

    def listen(self) -> None:
        """Install the handlers: in the event loop of the server, after it has installed its own."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            server = getattr(before, "__self__", None)
            self._bound(server)

            def stop(received: int, frame: Any, before: Any = before, server: Any = server) -> None:
                if not self.closing.is_set():
                    self.closing.set()
                    loop.call_soon_threadsafe(loop.call_later, self._grace, self._cut_off, server)
                if callable(before):
                    before(received, frame)

            signal.signal(number, stop)

    def _bound(self, server: Any) -> None:
        """Limit the wait of the server itself to a second more than the grace period."""
        config = getattr(server, "config", None)
        if config is not None and getattr(config, "timeout_graceful_shutdown", 0) is None:
            config.timeout_graceful_shutdown = math.ceil(self._grace) + 1

    def _cut_off(self, server: Any) -> None:
        self.cut_off = True
        connections = list(getattr(getattr(server, "server_state", None), "connections", ()))
        if self.under_way or connections:
            log.warning(
                "%d requests on %d connections had not ended after %g s; they are cut off",
                len(self.under_way),
                len(connections),
                self._grace,
            )
        for connection in connections:
            connection.transport.abort()
        # Later, when the server has seen that the connections are gone and expects no response.
        asyncio.get_running_loop().call_later(0.1, self._cancel)

    def _cancel(self) -> None:
        for task in self.under_way:
            task.cancel()


class UnderWay:
    """Keeps the set of requests that are under way."""

    def __init__(self, app: ASGIApp, *, shutdown: Shutdown) -> None:
        self.app = app
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if task is None:
            await self.app(scope, receive, send)
            return
        self._shutdown.under_way.add(task)
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._shutdown.cut_off:
                raise
        finally:
            self._shutdown.under_way.discard(task)

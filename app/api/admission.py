"""A bounded queue in front of the endpoints that take a thread; beyond it a clear no, never a pile-up."""

import asyncio
import math
import threading
from collections import deque

from app.errors import Unavailable

RUNNING = 32
"""Requests at work at once: fewer than the 40 threads of the pool, so that none waits unseen behind it."""

WAITING = 256
LONGEST_WAIT = 5.0
"""Seconds in the queue, unless the request names a shorter time in X-Request-Timeout."""


class Admission:
    """First come, first served. Callers may live in event loops of several threads."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        self._free = running
        self._most = waiting
        self._lock = threading.Lock()
        self._queue: deque[asyncio.Future[None]] = deque()

    async def enter(self, seconds: float = LONGEST_WAIT) -> None:
        """Wait for a place. Raises `Unavailable` if the queue is full or none is free in that time."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            if len(self._queue) >= self._most:
                raise _busy("Too many requests are waiting already.")
            future = asyncio.get_running_loop().create_future()
            self._queue.append(future)
        try:
            await asyncio.wait_for(asyncio.shield(future), seconds)
        except (TimeoutError, asyncio.CancelledError) as error:
            self._give_up(future)
            if isinstance(error, TimeoutError):
                raise _busy(f"The request waited for {seconds:g} s and was not started.") from None
            raise

    def _give_up(self, future: "asyncio.Future[None]") -> None:
        with self._lock:
            if future in self._queue:
                self._queue.remove(future)
                return
        self.leave()  # a place came at the same moment

    def leave(self) -> None:
        """Give the place to whoever has waited longest."""
        with self._lock:
            if not self._queue:
                self._free += 1
                return
            future = self._queue.popleft()
        future.get_loop().call_soon_threadsafe(_grant, future)


def _grant(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _busy(what: str) -> Unavailable:
    return Unavailable(f"{what} Try again in a second.", headers={"Retry-After": "1"})


def patience(header: str | None) -> float:
    """The seconds that a request may wait, by its X-Request-Timeout."""
    try:
        seconds = float(header) if header else LONGEST_WAIT
    except ValueError:
        return LONGEST_WAIT
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else LONGEST_WAIT

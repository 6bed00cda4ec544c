"""How many requests run at once. More wait in a bounded queue; beyond that they are refused with a 503.

Readers and writers have places of their own: while another program has the database locked, all writers may
stand still, and reads go on. Passwords are hashed one at a time: a login that waits for its turn holds
nothing else, and is refused with a 429. A request has a place only while it runs: it takes one after it has
been received whole, and its response is sent after it has given the place back.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app import deadline
from app.api.edge.manners import Manner
from app.errors import AppError, TooManyRequests, Unavailable

READERS, PARTS = 4, 2
"""More threads take the interpreter from each other: on PostgreSQL 16 connections got .79 of the plain lists
with 24 readers. With those that write (`writers_at_once`), `PARTS` three times, and heavy requests that wait
for their turn (`app.serving.heavy`), fewer than the 40 threads of the pool: no place waits for one."""
QUEUE = 256
"""Readers, and writers, that wait for a place at most."""
LONGEST_WAIT = 5.0
"""Seconds for a place, unless the request names a shorter time in X-Request-Timeout."""
WHOLE_WAIT = 5.5
"""Seconds for a place and for every lock that the work needs (`deadline`)."""
WAIT_OF_A_PART = 30.0
"""Seconds for the place of a part: an upload has been received already, an export is half sent."""
PAUSE, LOGIN_PAUSE = 0.008, 0.004
"""Seconds between two streams of events, or logins, that begin while more wait: other requests go first."""
UPLOADS, STREAMS, LOGINS, WAITS = 256, 256, 512, 2_000
"""Requests of these manners at once, at some 100 kB each; more are refused without waiting."""


class Line:
    """Places, first come, first served. Callers may run in event loops of several threads.

    `pause`: seconds for which a place stays empty before one of the queue has it. `refusal`: the error of
    those who get no place.
    """

    def __init__(
        self, places: int, queue: int = 0, pause: float = 0.0, *, refusal: type[AppError] = Unavailable
    ) -> None:
        self._refusal = refusal
        self._free = places
        self._most = queue
        self._pause = pause
        self._lock = threading.Lock()
        self._queue: deque[asyncio.Future[None]] = deque()

    async def enter(self, seconds: float = LONGEST_WAIT) -> None:
        """Wait for a place. Raises `refusal` if the queue is full or no place is free in time."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            if len(self._queue) >= self._most:
                raise self._busy("Too many requests of this kind are under way already.")
            future = asyncio.get_running_loop().create_future()
            self._queue.append(future)
        try:
            await asyncio.wait_for(asyncio.shield(future), seconds)
        except (TimeoutError, asyncio.CancelledError) as error:
            self._give_up(future)
            if isinstance(error, TimeoutError):
                raise self._busy(f"The request waited for {seconds:g} s and was not started.") from None
            raise

    def _busy(self, what: str) -> AppError:
        return self._refusal(f"{what} Try again in a second.", headers={"Retry-After": "1"})

    def _give_up(self, future: "asyncio.Future[None]") -> None:
        with self._lock:
            if future in self._queue:
                self._queue.remove(future)
                return
        self.leave()  # the place was granted at the same moment

    def leave(self) -> None:
        """Pass the place to the request that has waited longest."""
        with self._lock:
            if not self._queue:
                self._free += 1
                return
            future = self._queue.popleft()
        loop = future.get_loop()
        loop.call_soon_threadsafe(loop.call_later, self._pause, _grant, future)


class Turns(Line):
    """One place for logins. By how long the last ones took, it refuses at once what would wait too long."""

    def __init__(self, queue: int, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(1, queue, refusal=TooManyRequests)
        self._clock = clock
        self._began = self._took = 0.0

    async def enter(self, seconds: float = LONGEST_WAIT) -> None:
        if (wait := len(self._queue) * self._took) > seconds:
            raise self._busy(f"Too many logins are under way: this one would wait for {wait:.0f} s.")
        await super().enter(seconds)
        self._began = self._clock()

    def leave(self) -> None:
        took = self._clock() - self._began
        self._took = (3 * self._took + took) / 4 if self._took else took
        super().leave()


class Places:
    """Lets a request in when there is a place for its manner. Raises `Unavailable`."""

    def __init__(
        self, app: ASGIApp, *, readers: int = READERS, writers: int = READERS, waits: int = WAITS
    ) -> None:
        self.app = app
        self._lines = {
            Manner.READS: Line(readers, QUEUE),
            Manner.WRITES: Line(writers, QUEUE),
            Manner.UPLOADS: Line(UPLOADS),
            Manner.STREAMS: Line(STREAMS),
            Manner.WAITS: Line(waits),
            Manner.FOLLOWS: Line(waits),
            Manner.LOGS_IN: Line(LOGINS, refusal=TooManyRequests),
        }
        self._entrance = Line(1, LOGINS, LOGIN_PAUSE, refusal=TooManyRequests)
        # Lines of their own: thousands of streams that open at once must not displace readers.
        self._parts = {
            Manner.UPLOADS: Line(PARTS, UPLOADS),
            Manner.STREAMS: Line(PARTS, STREAMS),
            Manner.WAITS: Line(PARTS, waits),
            Manner.FOLLOWS: Line(PARTS, waits, PAUSE),
            Manner.LOGS_IN: Turns(LOGINS),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        manner = scope["manner"]
        line = self._lines.get(manner)
        if line is None:
            await self.app(scope, receive, send)
            return
        held = [line]
        if manner in self._parts:
            scope["line_of_parts"], scope["line_of_writes"] = self._parts[manner], self._lines[Manner.WRITES]
        else:
            scope["line"], scope["places_held"] = line, held
            deadline.begin(WHOLE_WAIT)
        await line.enter(_patience(scope["fields"].get(b"x-request-timeout")))
        try:
            if manner is Manner.FOLLOWS:
                await self._begin_in_turn(scope, receive, send)
            elif manner is Manner.LOGS_IN:
                await self._enter_in_turn(scope, receive, send)
            else:
                await self.app(scope, receive, send)
        finally:
            _leave(held)

    async def _begin_in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """With the place of its first part from the start: of thousands that come at once, few work."""
        line = scope["line_of_parts"]
        await line.enter(WAIT_OF_A_PART)
        scope["places_held"] = held = [line]
        try:
            await self.app(scope, receive, send)
        finally:
            if held:
                line.leave()

    async def _enter_in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One login begins at a time: of hundreds that come at once, few take the event loop from others."""
        await self._entrance.enter()
        scope["places_held"] = held = [self._entrance]
        try:
            await self.app(scope, receive, send)
        finally:
            _leave(held)


def _leave(held: list[Line]) -> None:
    while held:
        held.pop().leave()


def leave_place(request: Request) -> None:
    """Give the place of a reader or writer back, while a thread waits for something else."""
    _leave(request.scope["places_held"])


async def take_place(request: Request) -> None:
    """Take it again. Raises `Unavailable`."""
    line: Line = request.scope["line"]
    await line.enter()
    request.scope["places_held"].append(line)


@asynccontextmanager
async def place(request: Request) -> AsyncIterator[None]:
    """A place for a part of the work of an endpoint that streams, uploads or waits. Raises `Unavailable`."""
    line: Line = request.scope["line_of_parts"]
    if held := request.scope.get("places_held"):
        held.clear()
    else:
        await line.enter(WAIT_OF_A_PART)
    async with _entered(line):
        yield


@asynccontextmanager
async def turn(request: Request) -> AsyncIterator[None]:
    """The turn of an endpoint that logs in to have a password hashed. Raises `TooManyRequests`."""
    line: Line = request.scope["line_of_parts"]
    _leave(request.scope["places_held"])
    await line.enter(max(0.0, LONGEST_WAIT - (time.perf_counter() - request.scope["began"])))
    async with _entered(line):
        yield


@asynccontextmanager
async def writers_place(request: Request) -> AsyncIterator[None]:
    """A place for the queries of an endpoint that logs in. Raises `Unavailable`."""
    line: Line = request.scope["line_of_writes"]
    _leave(request.scope["places_held"])
    await line.enter()
    async with _entered(line):
        yield


@asynccontextmanager
async def _entered(line: Line) -> AsyncIterator[None]:
    deadline.begin(WHOLE_WAIT)
    try:
        yield
    finally:
        line.leave()


def _grant(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _patience(header: bytes | None) -> float:
    """Seconds that a request waits for a place at most, by its X-Request-Timeout."""
    if header is None:
        return LONGEST_WAIT
    try:
        seconds = float(header)
    except ValueError:
        return LONGEST_WAIT
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else LONGEST_WAIT

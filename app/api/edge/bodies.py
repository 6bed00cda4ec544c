"""The body of a request: received whole before it is used, within limits of size, time and rate."""

import asyncio
import time
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.edge.manners import SAFE_METHODS, Manner
from app.errors import AppError, BadRequest, RequestTimeout, TooLarge, Unavailable

CLOSE = {"Connection": "close"}
"""Headers of a refusal: the rest of the body is not read."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a body may arrive: `rate` bytes a second after `grace` seconds, `longest` seconds in all.

    An upload has no longest time, but must keep `upload_rate` in each `window` of seconds spent waiting.
    """

    grace: float = 10.0
    rate: float = 1024.0
    longest: float = 60.0
    window: float = 30.0
    upload_rate: float = 4096.0


UNCOUNTED = 16 << 10
"""Bytes of a body that do not count for `MOST_HELD`: most bodies are smaller."""
MOST_HELD = 64 << 20
"""Bytes beyond `UNCOUNTED` that the bodies of all requests may take together."""
MOST_OF_LOGIN = 16 << 10
"""Bytes of the body of a login: more than the longest name and password take, however they are encoded."""


class Bodies:
    """Reads bodies, paces uploads. Raises `BadRequest`, `TooLarge`, `RequestTimeout`, `Unavailable`."""

    def __init__(
        self, app: ASGIApp, *, limit: int, pace: Pace | None = None, most_held: int = MOST_HELD
    ) -> None:
        self.app = app
        self._limit = limit
        self._pace = pace or Pace()
        self._most_held = most_held
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["manner"] is Manner.UPLOADS:
            await self.app(scope, _Paced(receive, self._pace).receive, send)
        elif scope["method"] in SAFE_METHODS:
            await self.app(scope, receive, send)
        else:
            limit = min(self._limit, MOST_OF_LOGIN) if scope["manner"] is Manner.LOGS_IN else self._limit
            _check_length(scope["fields"].get(b"content-length", b"0"), limit)
            body = bytearray()
            try:
                await self._read(body, receive, limit)
                scope["began"] = time.perf_counter()
                await self.app(scope, _replayed(bytes(body), receive), send)
            finally:
                self._held -= max(0, len(body) - UNCOUNTED)

    async def _read(self, body: bytearray, receive: Receive, most: int) -> None:
        loop, pace = asyncio.get_running_loop(), self._pace
        began = loop.time()
        try:
            async with asyncio.timeout(pace.grace) as limit:
                while True:
                    message = await _next(receive)
                    self._add(body, message.get("body", b""), most)
                    if not message.get("more_body"):
                        return
                    limit.reschedule(began + min(pace.longest, pace.grace + len(body) / pace.rate))
        except TimeoutError:
            raise _too_slow(len(body), loop.time() - began) from None

    def _add(self, body: bytearray, part: bytes, most: int) -> None:
        before = len(body)
        body += part
        self._held += max(0, len(body) - UNCOUNTED) - max(0, before - UNCOUNTED)
        if len(body) > most:
            raise _too_large(most)
        if self._held > self._most_held and len(body) > UNCOUNTED:
            raise Unavailable(
                "Too many large requests are being received. Try again in a second.",
                headers=CLOSE | {"Retry-After": "1"},
            )


class _Paced:
    """A body that its endpoint reads. Time that the endpoint spends between two reads does not count."""

    def __init__(self, receive: Receive, pace: Pace) -> None:
        self._receive = receive
        self._pace = pace
        self._waited, self._got = 0.0, 0
        self._whole = False

    async def receive(self) -> Message:
        loop = asyncio.get_running_loop()
        while not self._whole:
            began = loop.time()
            try:
                async with asyncio.timeout(max(0.0, self._pace.window - self._waited)):
                    message = await self._receive()
            except TimeoutError:
                self._next_window()
                continue
            self._waited += loop.time() - began
            self._got += len(message.get("body", b""))
            self._whole = not message.get("more_body")
            if self._waited >= self._pace.window and not self._whole:
                self._next_window()
            return message
        return await self._receive()

    def _next_window(self) -> None:
        if self._got < self._pace.upload_rate * self._pace.window:
            raise _too_slow(self._got, self._pace.window)
        self._waited, self._got = 0.0, 0


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body as one message, then the further messages of the server."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


def _check_length(length: bytes, most: int) -> None:
    if not length.isdigit():
        raise BadRequest("Content-Length is not a number.", headers=CLOSE)
    if int(length[:20]) > most:
        raise _too_large(most)


def _too_large(most: int) -> AppError:
    setting = "" if most == MOST_OF_LOGIN else " (MATINEE_MAX_BODY)"
    return TooLarge(f"The body has more than {most:,} bytes, which are allowed here{setting}.", headers=CLOSE)


def _too_slow(size: int, seconds: float) -> AppError:
    return RequestTimeout(
        f"The body comes too slowly: {size:,} bytes in {seconds:.0f} s. Send the request again.",
        headers=CLOSE,
    )

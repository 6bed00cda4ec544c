"""Long answers to reads are compressed (gzip) for a caller who takes that.

Never an answer to a change: some hold a secret once, beside what the caller sent. Never a page: it holds the
token of its session beside parts of its address (the attack BREACH reads such a secret off the length). Never
events, which must not wait for more.
"""

import re

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.edge.manners import Manner

COMPRESSED = frozenset((Manner.READS, Manner.STREAMS, Manner.WAITS))
LEAST, IN_A_THREAD = 1 << 10, 32 << 10
"""Bytes from which a body is compressed, and from which that is done beside the event loop."""
LEVEL = 1
"""50 movies, 9.7 kB, become 2.1 in 70 us, at level 6 1.7 in 155. CSV: half, at 62 MB/s, at level 6 at 7."""
MARK = b"-gzip"
"""At the end of the tag of a compressed body: another coding is another representation (RFC 9110, 8.8.3)."""
_REFUSED = re.compile(rb"\bgzip\s*;\s*q=0(\.0*)?\s*(,|$)", re.IGNORECASE)
_MARKED = re.compile(rb'-gzip"')
_CONDITIONS = (b"if-match", b"if-none-match")


class Compression:
    """Compresses, and keeps the tags of the two forms apart: endpoints know the plain one alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._compressing = GZipMiddleware(
            _give_away,
            minimum_size=LEAST,
            compresslevel=LEVEL,
            thread_minimum_size=IN_A_THREAD,
            exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, "text/html"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = scope["headers"]
        if any(name in scope["fields"] for name in _CONDITIONS):
            scope["headers"] = [_unmarked(name, value) for name, value in given]
        marked = scope["headers"] != given
        if scope["manner"] not in COMPRESSED or _REFUSED.search(scope["fields"].get(b"accept-encoding", b"")):
            await self.app(scope, receive, send)
            return

        head: Message = {}
        compress: Send | None = None

        async def send_with_tag(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(message, same=marked)
            await send(message)

        async def send_by_length(message: Message) -> None:
            """Short bodies, which most are, skip GZipMiddleware: it takes more time than all other layers."""
            nonlocal head, compress
            if compress is None and message["type"] == "http.response.start":
                head = message
                return
            if compress is None and _is_short(message):
                compress = send_with_tag
                await compress(head)
            elif compress is None:
                await self._compressing(scope, receive, send_with_tag)
                compress = scope.pop("compress")
                await compress(head)
            await compress(message)

        await self.app(scope, receive, send_by_length)


async def _give_away(scope: Scope, _receive: Receive, send: Send) -> None:
    """Leaves in the scope what compresses messages."""
    scope["compress"] = send


def _is_short(message: Message) -> bool:
    """Whether that is the whole body, and too short to be compressed."""
    is_body = message["type"] == "http.response.body"
    return is_body and not message.get("more_body") and len(message.get("body", b"")) < LEAST


def _unmarked(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    return (name, _MARKED.sub(b'"', value)) if name in _CONDITIONS else (name, value)


def _mark(message: Message, *, same: bool) -> None:
    """Mark the tag of a compressed body, and of a 304 for one that the caller has."""
    fields = dict(message["headers"])
    if fields.get(b"content-encoding") == b"gzip" or (same and message["status"] == 304):
        message["headers"] = [
            (name, value[:-1] + MARK + b'"' if name == b"etag" else value)
            for name, value in message["headers"]
        ]

"""Pages of other origins (CORS, WHATWG Fetch section 3.3): those that the settings name may call the API.

Without cookies: a browser sends none, since `Access-Control-Allow-Credentials` is never there. What such a
page may change is up to `Origins`.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Field = tuple[bytes, bytes]

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
SENT = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Filename",
    "X-Request-ID",
    "X-Request-Timeout",
)
"""Headers that a page may send. Not that against CSRF: it goes with a cookie."""
EXPOSED = (
    "Content-Disposition",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Model-Version",
    "X-Request-ID",
    "X-Source",
)
"""Headers of responses that a page may read."""
LIFETIME = 600
"""Seconds for which a browser may keep the response to a preflight."""
PREFLIGHT: list[Field] = [
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", ", ".join(SENT).encode()),
    (b"access-control-max-age", b"%d" % LIFETIME),
]
VARY: Field = (b"vary", b"Origin")
"""On every response: what a cache keeps for one origin is not that of another."""


class Cors:
    """Responds to preflights before the caller is judged, and adds the headers, to errors too."""

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        self.app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._origins:
            await self.app(scope, receive, send)
            return
        origin: bytes = scope["fields"].get(b"origin", b"")
        is_named = origin.decode("latin-1") in self._origins
        added = [VARY, (b"access-control-allow-origin", origin)] if is_named else [VARY]
        asks = scope["method"] == "OPTIONS" and b"access-control-request-method" in scope["fields"]
        if is_named and asks:
            await send({"type": "http.response.start", "status": 204, "headers": added + PREFLIGHT})
            await send({"type": "http.response.body", "body": b""})
            return
        if is_named:
            added.append((b"access-control-expose-headers", ", ".join(EXPOSED).encode()))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self.app(scope, receive, send_with_headers)

"""Headers that mean one thing, and are there twice: one layer might read the first, another the last."""

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import BadRequest

ONCE = frozenset(
    (
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"last-event-id",
        b"origin",
        b"sec-fetch-site",
        b"x-csrf-token",
        b"x-filename",
        b"x-request-id",
        b"x-request-timeout",
        b"x-task-id",
    )
)
"""Lists (RFC 9110, section 5.3), such as Accept and If-Match, may come in several lines; `Callers` judges
Authorization and Cookie, `Proxies` what a proxy passes on."""


class Repetitions:
    """Raises `BadRequest`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(scope["fields"]) < len(scope["headers"]):
            counts = Counter(name for name, _ in scope["headers"])
            if twice := sorted(name.decode() for name in ONCE if counts[name] > 1):
                raise BadRequest(f"The request has several headers {', '.join(twice)}. Send one of each.")
        await self.app(scope, receive, send)

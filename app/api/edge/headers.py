"""The headers of every response."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
NO_CACHE = (b"cache-control", b"no-cache")
"""For endpoints that set no other: what they show may have changed by the next request."""


STRICT = (b"strict-transport-security", b"max-age=31536000")
"""Under TLS: for a year browsers come by TLS alone (RFC 6797). Not for sibling names, which are others'."""


class Headers:
    """Adds the headers that the endpoint has not set."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                names = {name.lower() for name, _ in given}
                wanted = (*ALWAYS, NO_CACHE, STRICT) if _is_strict(scope) else (*ALWAYS, NO_CACHE)
                added = [field for field in wanted if field[0] not in names]
                message["headers"] = [*given, *added]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _is_strict(scope: Scope) -> bool:
    """Whether TLS is ours or a trusted proxy's; not for localhost, where other ports serve without."""
    host: bytes = scope["fields"].get(b"host", b"")
    return scope["scheme"] == "https" and host.partition(b":")[0] != b"localhost"

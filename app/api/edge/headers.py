"""The headers of every response."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
NO_CACHE = (b"cache-control", b"no-cache")
"""For endpoints that set no other: what they show may have changed by the next request."""


class Headers:
    """Adds the headers that the endpoint has not set."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                names = {name.lower() for name, _ in given}
                added = [field for field in (*ALWAYS, NO_CACHE) if field[0] not in names]
                message["headers"] = [*given, *added]
            await send(message)

        await self.app(scope, receive, send_with_headers)

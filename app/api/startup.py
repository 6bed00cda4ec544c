"""A failed start is one line in the server's log."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings
from app.storage.start_failures import advise


class Startup:
    """Wraps the lifespan: what a person can mend is logged as advice instead of a traceback."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_line(message: Message) -> None:
            error = sys.exc_info()[1]  # Starlette sends this while it handles the error
            line = advise(error, self._settings) if error else None
            if message["type"] == "lifespan.startup.failed" and line:
                message = {**message, "message": f"matinee: {line}"}
            await send(message)

        await self.app(scope, receive, send_line)

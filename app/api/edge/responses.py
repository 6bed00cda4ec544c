"""Sending an answer: after the work, so that a slow reader holds nothing but its own connection.

What does not move for a while is given up with its connection: a reader that has left without a word would
keep memory and a descriptor for ever.
"""

import asyncio
import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.edge.manners import Manner

KEPT = frozenset((Manner.READS, Manner.WRITES))
LONGEST_STANDSTILL = 30.0
"""Seconds in which the reader takes nothing."""

log = logging.getLogger("matinee.api")


class Responses:
    """Keeps an answer that is made at once until its endpoint is done; passes streams on as they come."""

    def __init__(self, app: ASGIApp, *, standstill: float = LONGEST_STANDSTILL) -> None:
        self.app = app
        self._standstill = standstill

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["manner"] in KEPT:
            kept: list[Message] = []

            async def keep(message: Message) -> None:
                kept.append(message)

            await self.app(scope, receive, keep)
            await self._send(kept, receive, send)
            return

        async def pass_on(message: Message) -> None:
            await self._send([message], receive, send)

        await self.app(scope, receive, pass_on)

    async def _send(self, messages: list[Message], receive: Receive, send: Send) -> None:
        """Raises `ClientDisconnect` after it has given the connection up."""
        try:
            async with asyncio.timeout(self._standstill) as limit:
                for number, message in enumerate(messages):
                    if number > 1:  # after the head and a body that was taken as well
                        limit.reschedule(asyncio.get_running_loop().time() + self._standstill)
                    await send(message)
        except TimeoutError:
            log.info("a reader took nothing for %g s; its connection is closed", self._standstill)
            hang_up(receive)
            raise ClientDisconnect from None


def hang_up(receive: Receive) -> None:
    """Close the connection at once, with what it has not sent. Does nothing where the server is not uvicorn.

    ASGI has no way to say that: to return would have the server wait until everything is sent.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()

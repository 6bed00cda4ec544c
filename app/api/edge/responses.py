"""Sending a response: after the work, so that a slow reader holds nothing but its own connection.

A connection whose reader takes nothing for a while is closed: a reader that has vanished would otherwise keep
memory and a descriptor for ever.
"""

import asyncio
import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.edge.manners import Manner

KEPT = frozenset((Manner.READS, Manner.WRITES))
LONGEST_STANDSTILL = 30.0
"""Seconds in which the reader takes nothing, at most."""

log = logging.getLogger("matinee.api")


class Responses:
    """Holds the response of an endpoint back until the endpoint is done; passes streams on at once."""

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
        """Send the messages. Raises `ClientDisconnect` after it has closed a stalled connection."""
        try:
            for message in messages:
                if _is_taken_at_once(receive):
                    await send(message)
                else:
                    async with asyncio.timeout(self._standstill):
                        await send(message)
        except TimeoutError:
            log.info("a reader took nothing for %g s; its connection is closed", self._standstill)
            hang_up(receive)
            raise ClientDisconnect from None


def _is_taken_at_once(receive: Receive) -> bool:
    """Whether the server takes a message without a wait for the reader: then no timer is needed.

    That is known of uvicorn alone, whose `send` waits while the buffer of the connection is full.
    """
    flow = getattr(getattr(receive, "__self__", None), "flow", None)
    return flow is not None and not flow.write_paused


def hang_up(receive: Receive) -> None:
    """Abort the connection without sending the rest. Does nothing under another server than uvicorn.

    ASGI has no message for it: after a return the server would wait until everything is sent.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()

"""A request whose transaction the database has ended in favour of another one is run from its start."""

import asyncio
import random

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.edge.manners import Manner
from app.storage.failures import Collision

TRIES = 3
PAUSE = 0.1
"""Seconds before the second try at most, twice as many before the third: two that collide wait unequally."""


class Tries:
    """How many a request has left. `collided`: this one is not to be answered."""

    def __init__(self) -> None:
        self.left = TRIES - 1
        self.collided = False

    def is_tried_again(self) -> bool:
        """Whether a collision is no answer yet; then nothing of this try is sent."""
        self.collided = self.left > 0
        return self.collided


class Collisions:
    """Runs a request up to `TRIES` times: what it did in its transaction is undone by then.

    An upload is refused instead: its body is not kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["manner"] is Manner.UPLOADS:
            await self.app(scope, receive, send)
            return
        tries = scope["tries"] = Tries()
        body: list[Message] = []  # whole, in one message (`bodies`)
        while await self._collides(scope, _once_more(receive, body), send, tries):
            await asyncio.sleep(random.uniform(0, PAUSE * (TRIES - tries.left)))  # noqa: S311
            tries.left, tries.collided = tries.left - 1, False

    async def _collides(self, scope: Scope, receive: Receive, send: Send, tries: Tries) -> bool:
        async def send_unless_collided(message: Message) -> None:
            if not tries.collided:
                tries.left = 0  # what has begun is not begun again
                await send(message)

        try:
            await self.app(scope, receive, send_unless_collided)
        except Collision:
            if not tries.is_tried_again():
                raise
        return tries.collided


def _once_more(receive: Receive, body: list[Message]) -> Receive:
    """Receives the body, of which the first try keeps what the next ones get."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        if not body:
            body.append(await receive())
        return body[0]

    return receive_again

"""How many requests one caller may have under way: enough for any use, too few to exhaust the memory."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.edge.manners import Manner
from app.errors import TooManyRequests

MOST = 4_000
"""Requests of one address at once, at some 40 kB and a descriptor each."""


class Shares:
    """Raises `TooManyRequests`. Requests that wait have a limit of their own (`places`)."""

    def __init__(self, app: ASGIApp, *, most: int = MOST) -> None:
        self.app = app
        self._most = most
        self._under_way: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["manner"] in (Manner.WAITS, Manner.FOLLOWS):
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        caller = client[0] if client else ""
        count = self._under_way.get(caller, 0)
        if count >= self._most:
            raise TooManyRequests(
                f"{count:,} of your requests are under way already. Wait for some of them, then try again.",
                headers={"Retry-After": "1"},
            )
        self._under_way[caller] = count + 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._under_way[caller] -= 1
            if not self._under_way[caller]:
                del self._under_way[caller]

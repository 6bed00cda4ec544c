"""The Host of a request: a foreign name that resolves to this server (DNS rebinding) is refused."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.edge.callers import is_in_process
from app.errors import MisdirectedRequest

LOCAL_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
_PORT = re.compile(r":\d*$")


class Hosts:
    """Raises `MisdirectedRequest` for a Host that is neither local nor one of `names`."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str] = frozenset()) -> None:
        self.app = app
        self._names = names | LOCAL_NAMES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = scope["fields"].get(b"host", b"").decode("latin-1").strip().lower()
        name = _PORT.sub("", host)
        if name not in self._names and not (is_in_process(scope) and name == scope["server"][0]):
            raise MisdirectedRequest(
                f"This server does not answer to the name {name[:100]!r}. Add it to MATINEE_ALLOWED_HOSTS."
            )
        await self.app(scope, receive, send)

"""The Host of a request: a foreign name that resolves to this server (DNS rebinding) is refused."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from app import network
from app.api.edge.openings import is_in_process
from app.errors import MisdirectedRequest

_PORT = re.compile(r":\d*$")


class Hosts:
    """Raises `MisdirectedRequest` for a Host that is none of `names`.

    With the door open a Host may be any IP address: no foreign name leads to one.
    """

    def __init__(self, app: ASGIApp, *, names: frozenset[str] = network.LOCAL_NAMES) -> None:
        self.app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = scope["fields"].get(b"host", b"").decode("latin-1").strip().lower()
        name = _PORT.sub("", host)
        if name not in self._names and not self._is_let_in(name, scope):
            raise MisdirectedRequest(
                f"This server does not answer to the name {name[:100]!r}. Add it to MATINEE_ALLOWED_HOSTS."
            )
        await self.app(scope, receive, send)

    @staticmethod
    def _is_let_in(name: str, scope: Scope) -> bool:
        if scope["rule"].anywhere or (is_in_process(scope) and name == scope["server"][0]):
            return True
        return scope["door_is_open"] and network.address(network.bare(name)) is not None

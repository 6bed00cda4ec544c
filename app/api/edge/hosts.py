"""The Host of a request: a foreign name that resolves to this server (DNS rebinding) is refused."""

import ipaddress
import re

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.edge.callers import is_in_process
from app.errors import MisdirectedRequest

LOCAL_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
_PORT = re.compile(r":\d*$")


class Hosts:
    """Raises `MisdirectedRequest` for a Host that is neither local nor one of `names`.

    With the door open a Host may be any IP address: no foreign name leads to one.
    """

    def __init__(self, app: ASGIApp, *, names: frozenset[str] = frozenset()) -> None:
        self.app = app
        self._names = names | LOCAL_NAMES

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
        return scope["door_is_open"] and _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True

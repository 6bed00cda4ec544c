"""Who called a proxy, and how: from its X-Forwarded-For, -Proto and -Host, if the proxy is trusted.

No header of a caller counts: a proxy appends the address that it sees, so what is right of the first address
that is no trusted proxy was written by trusted ones. `Forwarded` (RFC 7239) and `X-Real-IP` never count.
"""

import logging
import re
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from app import network
from app.errors import BadRequest
from app.network import Address

Field = tuple[bytes, bytes]

OTHERS = frozenset((b"forwarded", b"x-real-ip"))
"""Headers that a proxy adds to name its caller, beside all X-Forwarded-... ones."""
FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_WITH_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+))(?::(?P<port>\d{1,5}))?")

log = logging.getLogger("matinee.api")


class PassedOn(NamedTuple):
    """That a proxy passed a request on: a header that says so, the Host that it names, and the proxy."""

    header: str
    host: str
    proxy: str
    is_trusted: bool


class Proxies:
    """Sets client, scheme and Host of a request that a trusted proxy passed on. Raises `BadRequest`.

    Removes the headers of all proxies; the scope keeps `passed_on`. With the door closed such a request is
    refused later, whatever they say.
    """

    def __init__(self, app: ASGIApp, *, trusted: str) -> None:
        self.app = app
        self._networks = network.networks(trusted)
        self._trusts_unix = network.UNIX in network.separated(trusted)
        self._has_warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fields = [field for field in scope["headers"] if _is_of_a_proxy(field[0])]
        if fields:
            scope["headers"] = [field for field in scope["headers"] if not _is_of_a_proxy(field[0])]
            passed_on = scope["passed_on"] = self._passed_on(scope, fields)
            if passed_on.is_trusted:
                self._believe(scope, fields)
            elif not self._has_warned:
                self._has_warned = True
                log.warning(
                    "%s passes requests on (%s) and is not in MATINEE_TRUSTED_PROXIES: "
                    "its callers are not known",
                    passed_on.proxy,
                    passed_on.header,
                )
            scope["fields"] = dict(scope["headers"])
        await self.app(scope, receive, send)

    def _passed_on(self, scope: Scope, fields: list[Field]) -> PassedOn:
        client = scope.get("client")
        host = (_items(fields, HOST) or [scope["fields"].get(b"host", b"").decode("latin-1")])[-1]
        name = client[0] if client else network.UNIX
        return PassedOn(fields[0][0].decode("latin-1"), host, name, self._trusts_peer(scope))

    def _trusts_peer(self, scope: Scope) -> bool:
        client, server = scope.get("client"), scope.get("server")
        if client is None:  # a Unix socket has a path, and no port
            return self._trusts_unix and bool(server and server[1] is None)
        peer = network.address(client[0])
        return peer is not None and self._trusts(peer)

    def _trusts(self, address: Address) -> bool:
        return any(address in one for one in self._networks)

    def _believe(self, scope: Scope, fields: list[Field]) -> None:
        if callers := _items(fields, FOR):
            scope["client"] = self._caller(callers)
        if schemes := _items(fields, PROTO):
            scheme = schemes[-1].lower()
            if scheme not in ("http", "https"):
                raise BadRequest(
                    f"The proxy says {_shown(scheme)} in X-Forwarded-Proto; it is http or https."
                )
            scope["scheme"] = scheme
        if hosts := _items(fields, HOST):
            if not network.host_name(hosts[-1]):
                raise BadRequest(f"The proxy says {_shown(hosts[-1])} in X-Forwarded-Host, which is no host.")
            scope["headers"] = [field for field in scope["headers"] if field[0] != b"host"]
            scope["headers"].append((b"host", hosts[-1].encode("latin-1")))

    def _caller(self, callers: list[str]) -> tuple[str, int]:
        """The last address that is no trusted proxy; the first if all are. Raises `BadRequest`."""
        for text in reversed(callers):
            address, port = _address_and_port(text)
            if not self._trusts(address):
                break
        return str(address), port


def _is_of_a_proxy(name: bytes) -> bool:
    return name.startswith(b"x-forwarded-") or name in OTHERS


def _items(fields: list[Field], name: bytes) -> list[str]:
    """The items of all headers with this name, in their order; an empty header is an empty item."""
    values = [value.decode("latin-1") for given, value in fields if given == name]
    return [item.strip() for value in values for item in value.split(",")]


def _address_and_port(text: str) -> tuple[Address, int]:
    """Of `192.0.2.7`, `192.0.2.7:80`, `2001:db8::7` or `[2001:db8::7]:80`; port 0 without one."""
    match = _WITH_PORT.fullmatch(text)
    address = network.address((match["six"] or match["four"]) if match else text)
    port = int(match["port"] or 0) if match else 0
    if address is None or port > 65_535:
        raise BadRequest(f"The proxy says {_shown(text)} in X-Forwarded-For, which is no address.")
    return address, port


def _shown(text: str) -> str:
    return repr(text[:50])

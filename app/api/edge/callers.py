"""Who may call. Without accounts, only callers on this machine, and no proxy on behalf of others."""

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Forbidden

PASSED_ON = frozenset((b"forwarded", b"x-real-ip"))
"""Headers that a proxy adds to name its caller, beside all X-Forwarded-... ones."""


class Callers:
    """Raises `Forbidden` for a caller on another machine and for a request that a proxy passed on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for name in scope["fields"]:
            if name.startswith(b"x-forwarded-") or name in PASSED_ON:
                raise Forbidden(
                    f"A proxy passed this request on (header {name.decode('latin-1')[:50]}). Without "
                    "accounts this service is open to its own machine only. Call it without the proxy. If "
                    "the proxy authenticates every caller itself, have it remove Forwarded, X-Real-IP and "
                    "X-Forwarded-*."
                )
        if not _is_here(scope):
            raise Forbidden(
                "This service has no accounts and is open to its own machine only. "
                "Call it from there, or put a proxy with authentication on that machine in front of it."
            )
        await self.app(scope, receive, send)


def _is_here(scope: Scope) -> bool:
    client = scope.get("client")
    if client is None:  # a Unix socket has a path, and no port
        return is_in_process(scope) or bool(scope.get("server") and scope["server"][1] is None)
    address = _address(client[0])
    if address is None:
        return is_in_process(scope)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_in_process(scope: Scope) -> bool:
    """Whether the caller is a client in this process, such as TestClient.

    A server on a socket names the address that it is bound to, or the path of a Unix socket; a client that
    calls the application without a socket names the host of its URL.
    """
    server = scope.get("server")
    if server is None or "/" in server[0] or _address(server[0]) is not None:
        return False
    return server[1] is not None or scope.get("client") is not None  # a Unix socket has neither


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if text == "127.0.0.1":  # nearly every caller
        return LOCALHOST
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


LOCALHOST = ipaddress.IPv4Address("127.0.0.1")

"""A prefix of all addresses: a proxy that serves other sites too has this service below it.

A request may name the prefix or come without it, so a proxy may pass it on or strip it, and a caller on this
machine needs none. From here on `path` has it, and `root_path` is it (ASGI).
"""

import re
from collections.abc import Iterable

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ConfigurationError


class RootPath:
    """Endpoints may write Location, and the path of a cookie, without the prefix; they leave with it."""

    def __init__(self, app: ASGIApp, *, root: str) -> None:
        self.app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = self._root or scope.get("root_path", "")
        if not root:
            await self.app(scope, receive, send)
            return
        scope["root_path"] = root
        if not f"{scope['path']}/".startswith(f"{root}/"):
            scope["path"] = root + scope["path"]

        prefix = root.encode()

        async def send_with_root(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                message["headers"] = [(name, _below(prefix, name.lower(), value)) for name, value in given]
            await send(message)

        await self.app(scope, receive, send_with_root)


def path_below(scope: Scope) -> str:
    """The path of a request, without the prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _below(root: bytes, name: bytes, value: bytes) -> bytes:
    """The value of a header with the prefix."""
    if name == b"location" and value.startswith(b"/") and not value.startswith((b"//", root + b"/")):
        return root + value
    if name == b"set-cookie":  # a cookie of the whole host (__Host-) has the path /
        return _PATH.sub(rb"\g<0>" + root[1:], value).replace(b"__Host-", b"__Secure-", 1)
    return value


_PATH = re.compile(rb";\s*path=/(?=;|$)", re.IGNORECASE)


def require_free(routes: Iterable[BaseRoute], root: str) -> None:
    """Raises `ConfigurationError` if an address of ours begins like the prefix: it would mean two things."""
    first = root[1:].partition("/")[0]
    paths = (context.path or "" for context in iter_route_contexts(list(routes)))
    if first and any(path[1:].partition("/")[0] == first for path in paths):
        raise ConfigurationError(
            f"MATINEE_ROOT_PATH is {root!r}, which begins like an address of the service itself. "
            "Set it to another path, such as /films."
        )

"""The methods of a path, with HEAD and OPTIONS for every path (RFC 9110, section 9.3)."""

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.discretion import hidden
from app.api.edge import rules
from app.api.edge.manners import Manner, by_method
from app.api.edge.root_path import path_below
from app.api.edge.routes import UNKNOWN, Declared, RouteTable
from app.api.edge.routes import Methods as OfPath
from app.errors import MethodNotAllowed


class Methods:
    """Sets what the route of a request declares, by its method. Raises `MethodNotAllowed`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._table: RouteTable | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._table is None:  # at the first request all routes are there
            self._table = RouteTable(scope["app"].routes)
        path, method = path_below(scope), scope["method"]
        methods = self._table.methods(path)
        declared = methods.get(method) if methods is not None else self._unknown(method)
        if declared is not None:
            self._declare(scope, declared)
            await self.app(scope, receive, send)
        elif methods and method == "HEAD" and "GET" in methods:
            self._declare(scope, methods["GET"])
            await self._head(scope, receive, send)
        elif methods and method == "OPTIONS":
            scope["manner"] = Manner.PROBES
            await Response(status_code=204, headers={"Allow": allowed(methods)})(scope, receive, send)
        else:
            allow = allowed(methods or {})
            scope["template"] = next((one.path for one in (methods or {}).values()), UNKNOWN)
            raise MethodNotAllowed(
                f"{method[:20]} is not possible at {hidden(path)[:200]}; use {allow}.",
                headers={"Allow": allow},
            )

    @staticmethod
    def _declare(scope: Scope, declared: Declared) -> None:
        scope["manner"], scope["rule"], scope["template"], scope["query"], scope["types"] = declared

    @staticmethod
    def _unknown(method: str) -> Declared:
        return Declared(by_method(method), rules.UNKNOWN, UNKNOWN)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond as to a GET, with the headers alone; a stream ends before its first block is sent."""

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                if message.get("more_body"):
                    await send({"type": "http.response.body", "body": b""})
                    raise _HeadersSent
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            await self.app({**scope, "method": "GET"}, receive, send_head)
        except* _HeadersSent:
            pass


class _HeadersSent(Exception):
    """Ends an endpoint that would go on with its body."""


def allowed(methods: OfPath) -> str:
    """The value of the Allow header."""
    implied = {"OPTIONS", "HEAD"} if "GET" in methods else {"OPTIONS"}
    return ", ".join(sorted(implied | set(methods)))

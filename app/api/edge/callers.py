"""Who calls, and whether they may: before their body is received, and again in each of their transactions.

With the door closed only callers on this machine may, and no proxy on behalf of others.
"""

import ipaddress
from functools import partial

from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.edge.manners import SAFE_METHODS
from app.api.edge.places import QUEUE, Line
from app.errors import AppError, BadRequest, Forbidden, Unauthorized, Unavailable
from app.people.door import Credential, Found, Kind
from app.service import Service
from app.storage.database import precondition
from app.user import Caller, Role

PASSED_ON = frozenset((b"forwarded", b"x-real-ip"))
"""Headers that a proxy adds to name its caller, beside all X-Forwarded-... ones."""
LOOKS = 4
"""Callers that are looked up at once, before they have a place of their own."""
COOKIE = "matinee"
"""The cookie of a session; its name has the prefix `__Host-` under TLS (RFC 6265bis, section 4.1.3.2)."""
OPENING = (
    "To open it: (1) on the machine that it runs on, `matinee user add NAME --role admin`; (2) start it with "
    "MATINEE_HOST=0.0.0.0; (3) put the names that it is called by into MATINEE_ALLOWED_HOSTS (an IP address "
    "needs none)."
)


class Callers:
    """Sets the caller of a request, and whether the door is open. Raises `Unauthorized`, `Forbidden`."""

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self.app = app
        self._service = service
        self._line = Line(LOOKS, QUEUE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        credential = presented(scope)
        found = self._service.door.remembered(credential)
        if scope["rule"].anywhere and scope["rule"].role is None:
            scope["caller"], scope["door_is_open"] = None, found is not None and found.is_open
            await self.app(scope, receive, send)
            return
        if found is None or self._refusal(scope, found):
            found = await self._look(credential)
            if refusal := self._refusal(scope, found):
                raise refusal
        scope["caller"], scope["door_is_open"] = found.caller, found.is_open
        token = precondition.set(partial(self._judge_again, scope, credential, found))
        try:
            await self.app(scope, receive, send)
        finally:
            precondition.reset(token)
            if found.caller is not None and found.caller.key is not None:
                self._service.key_uses.note(found.caller.key)

    async def _look(self, credential: Credential) -> Found:
        def look() -> Found:
            with self._service.database.read() as connection:
                return self._service.door.find(connection, credential)

        await self._line.enter()
        try:
            return await run_in_threadpool(look)
        finally:
            self._line.leave()

    def _judge_again(
        self, scope: Scope, credential: Credential, found: Found, connection: Connection
    ) -> None:
        """Refuse the transaction if rights have changed since the request was let in."""
        door = self._service.door
        if door.version(connection) == found.version:
            return
        now = door.find(connection, credential)
        if refusal := self._refusal(scope, now):
            raise refusal
        was_judged = scope["rule"].role is not None
        if was_judged and now.caller != found.caller:  # its ids, by what it might do before
            raise Unavailable("Your rights have just changed. Try again.", headers={"Retry-After": "1"})

    def _refusal(self, scope: Scope, found: Found) -> AppError | None:
        rule, caller = scope["rule"], found.caller
        if not found.is_open:
            return None if rule.anywhere else _refusal_of_strangers(scope)
        if rule.role is None:
            return None
        if caller is None:
            return Unauthorized(
                "Log in: POST /token gives an access token for a name and a password, for the header "
                "Authorization: Bearer. An API key goes into the same header."
            )
        return _lack_of_right(scope, rule.role, caller) or self._foreign_page(scope, caller)

    def _foreign_page(self, scope: Scope, caller: Caller) -> AppError | None:
        """Why a change is refused that a cookie alone authenticates (CSRF)."""
        if not caller.by_cookie or scope["method"] in SAFE_METHODS:
            return None
        text = scope["fields"].get(b"x-csrf-token", b"").decode("latin-1")
        if caller.session is not None and self._service.door.is_csrf_token(caller.session, text):
            return None
        return Forbidden("The request does not come from a page of this server. Reload the page.")


def presented(scope: Scope) -> Credential:
    """What a request presents; a header goes before a cookie. Raises `BadRequest`, `Unauthorized`."""
    headers = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(headers) > 1:
        raise BadRequest("The request has several Authorization headers. Send one.")
    if headers:
        scheme, _, text = headers[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return Credential()
        return Credential(Kind.BEARER, text.strip())
    for name, value in scope["headers"]:
        if name == b"cookie":
            cookies = cookie_parser(value.decode("latin-1"))
            if text := cookies.get(f"__Host-{COOKIE}") or cookies.get(COOKIE, ""):
                return Credential(Kind.COOKIE, text)
    return Credential()


def _lack_of_right(scope: Scope, role: Role, caller: Caller) -> AppError | None:
    if caller.only_at is not None and scope["path"] != caller.only_at:
        return Forbidden(f"This key is good for {caller.only_at} alone.")
    if not caller.role.includes(role):
        return Forbidden(f"This needs the role {role}; yours is {caller.role}.")
    return None


def _refusal_of_strangers(scope: Scope) -> AppError | None:
    """With the door closed: why a caller is not let in, if it is not on this machine."""
    for name in scope["fields"]:
        if name.startswith(b"x-forwarded-") or name in PASSED_ON:
            return Forbidden(
                f"A proxy passed this request on (header {name.decode('latin-1')[:50]}), and this service is "
                f"open to its own machine only. {OPENING} (4) Name the proxy in MATINEE_TRUSTED_PROXIES."
            )
    if not _is_here(scope):
        return Forbidden(f"This service has no accounts and is open to its own machine only. {OPENING}")
    return None


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

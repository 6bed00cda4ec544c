"""Who calls, and whether they may: before their body is received, and again in each of their transactions.

With the door closed only callers on this machine may, and no proxy on behalf of others.
"""

from collections.abc import Callable
from functools import partial

from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.edge.manners import SAFE_METHODS
from app.api.edge.openings import refusal_of_strangers
from app.api.edge.places import QUEUE, Line
from app.api.edge.root_path import path_below
from app.errors import AppError, BadRequest, Forbidden, Unauthorized, Unavailable
from app.people.door import Credential, Door, Found, Kind
from app.service import Service
from app.storage.database import precondition
from app.user import Caller, Role

LOOKS = 4
"""Callers that are looked up at once, before they have a place of their own."""
COOKIE = "matinee"
"""The cookie of a session. Under TLS its name has a prefix: see `cookie_name`."""


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
        await self._compare(scope, credential, found)
        scope["caller"], scope["door_is_open"] = found.caller, found.is_open
        if found.caller is not None and found.caller.user_id is not None:
            scope["belongs"]["user_id"] = found.caller.user_id
        scope["judge"] = judge = Judge(self._service.door, partial(self._refusal, scope), credential, found)
        token = precondition.set(judge)
        try:
            await self.app(scope, receive, send)
        finally:
            precondition.reset(token)
            del scope["judge"]  # which refers to the scope: full collections are rare (`app.process`)
            if found.caller is not None and found.caller.key is not None:
                self._service.key_uses.note(found.caller.key)

    async def _compare(self, scope: Scope, credential: Credential, found: Found) -> None:
        """Raises `BadRequest` if header and cookie name different people."""
        if credential.kind is Kind.BEARER and found.caller and (cookie := _cookie(scope)).text:
            of_cookie = (self._service.door.remembered(cookie) or await self._look(cookie)).caller
            if of_cookie and of_cookie.user_id != found.caller.user_id:
                raise BadRequest("The Authorization header and the cookie name different people. Send one.")

    async def _look(self, credential: Credential) -> Found:
        def look() -> Found:
            with self._service.database.read() as connection:
                return self._service.door.find(connection, credential)

        await self._line.enter()
        try:
            return await run_in_threadpool(look)
        finally:
            self._line.leave()

    def _refusal(self, scope: Scope, found: Found) -> AppError | None:
        rule, caller = scope["rule"], found.caller
        if not found.is_open:
            return None if rule.anywhere else refusal_of_strangers(scope, self._service.settings)
        if rule.role is None or (rule.here and refusal_of_strangers(scope, self._service.settings) is None):
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


def cookie_name(scope: Scope) -> str:
    """The name of the cookie of a session (RFC 6265bis, section 4.1.3).

    Endpoints set `__Host-...` under TLS; `RootPath` makes it `__Secure-...`.
    """
    if scope["scheme"] != "https":
        return COOKIE
    return ("__Secure-" if scope.get("root_path") else "__Host-") + COOKIE


class Judge:
    """The precondition of a request's transactions: the caller may still do what they were let in for.

    `may_move`: the request can be run again, by the rights that its first transaction finds (`edge.again`).
    """

    def __init__(
        self, door: Door, refusal: Callable[[Found], AppError | None], credential: Credential, found: Found
    ) -> None:
        self._door, self._refusal, self._credential, self.found = door, refusal, credential, found
        self.may_move = self.has_moved = self.has_begun = False

    def __call__(self, connection: Connection) -> None:
        """Refuse the transaction if rights have changed since the request was let in."""
        if self._door.version(connection) == self.found.version:
            self.has_begun = True
            return
        now = self._door.find(connection, self._credential)
        if refusal := self._refusal(now):
            raise refusal
        if now.caller != self.found.caller:  # its ids were judged by what it might do before
            if self.may_move and not (self.has_begun or self.has_moved):
                self.found, self.has_moved = now, True
            raise Unavailable("Your rights have just changed. Try again.", headers={"Retry-After": "1"})
        self.has_begun = True


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
    return _cookie(scope)


def _cookie(scope: Scope) -> Credential:
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    name = cookie_name(scope)
    texts = {text for line in lines if (text := cookie_parser(line).get(name))}
    if len(texts) > 1:
        raise BadRequest(f"The request has several cookies named {name}. Delete them and log in again.")
    if texts:
        return Credential(Kind.COOKIE, texts.pop())
    return Credential()


def _lack_of_right(scope: Scope, role: Role, caller: Caller) -> AppError | None:
    if caller.only_at is not None and path_below(scope) != caller.only_at:
        return Forbidden(f"This key is good for {caller.only_at} alone.")
    if not caller.role.includes(role):
        return Forbidden(f"This needs the role {role}; yours is {caller.role}.")
    return None

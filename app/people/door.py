"""The door: who a caller is, by what they present.

Closed, it lets in this machine alone, where everybody is an admin without a name. Open, every caller has to
present a token, a key or a cookie. A process remembers who its callers are for one version of the door; the
version moves with every right that is given or taken, and is read in the transaction of each request.
"""

import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import ConfigurationError, Unauthorized, Unavailable
from app.people import secrets, tokens
from app.people.secrets import Secret
from app.repository import accounts, api_keys, sessions
from app.repository.accounts import DoorState
from app.user import ANYBODY, Caller

MOST_REMEMBERED = 10_000

log = logging.getLogger("matinee.people")


class Kind(Enum):
    NOTHING = "nothing"
    BEARER = "bearer"  # an access token, or an API key
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request presents."""

    kind: Kind = Kind.NOTHING
    text: str = ""

    def __repr__(self) -> str:  # never in a log
        return f"Credential({self.kind.value})"


@dataclass(frozen=True, slots=True)
class Found:
    """Who a caller is. `caller`: None if the door is open and they present nothing that is valid."""

    version: int
    is_open: bool
    caller: Caller | None


class _Memory:
    """What is known at one version of the door."""

    def __init__(self, state: DoorState, valid: list[Secret]) -> None:
        self.state, self.secrets = state, valid
        self.callers: dict[Credential, Caller] = {}


class Door:
    """One a process. Its methods may be called in several threads."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._memory: _Memory | None = None

    def remembered(self, credential: Credential) -> Found | None:
        """Who a caller is, as far as this process knows; None if it has to look."""
        memory = self._memory
        if memory is None:
            return None
        if not memory.state.is_open:
            return Found(memory.state.version, False, ANYBODY)
        caller = memory.callers.get(credential)
        if caller is None or caller.until <= self._clock():
            return None
        return Found(memory.state.version, True, caller)

    def find(self, connection: Connection, credential: Credential) -> Found:
        """Who a caller is, in this transaction."""
        memory = self._current(connection)
        version, is_open = memory.state.version, memory.state.is_open
        if not is_open:
            return Found(version, False, ANYBODY)
        caller, now = memory.callers.get(credential), self._clock()
        if caller is None or caller.until <= now:  # a session may have been prolonged
            caller = self._look(connection, memory, credential)
        if caller is None or caller.until <= now:
            memory.callers.pop(credential, None)
            return Found(version, True, None)
        if len(memory.callers) >= MOST_REMEMBERED:
            memory.callers.clear()
        memory.callers[credential] = caller
        return Found(version, True, caller)

    def version(self, connection: Connection) -> int:
        return accounts.door_state(connection).version

    def _current(self, connection: Connection) -> _Memory:
        state, memory = accounts.door_state(connection), self._memory
        if memory is None or memory.state != state:
            self._memory = memory = _Memory(state, self._secrets() if state.is_open else [])
        return memory

    def _secrets(self) -> list[Secret]:
        """Raises `Unavailable`; what to do about it is for the operator alone."""
        try:
            return secrets.load(self._settings)
        except ConfigurationError as error:
            log.error("%s", error.detail)
            raise Unavailable(
                "The service cannot tell who calls; its log says why. Try again later.",
                headers={"Retry-After": "10"},
            ) from None

    def _look(self, connection: Connection, memory: _Memory, credential: Credential) -> Caller | None:
        text = credential.text
        if credential.kind is Kind.COOKIE:
            session = sessions.find(connection, tokens.digest(text))
            if session is None:
                return None
            return Caller(
                session.role,
                session.user_id,
                session=session.id,
                by_cookie=True,
                until=session.expires_at,
            )
        if credential.kind is Kind.NOTHING:
            return None
        if text.startswith(tokens.KEY_PREFIX):
            key = api_keys.find(connection, tokens.digest(text))
            if key is None:
                return None
            until = ANYBODY.until if key.expires_at is None else key.expires_at
            return Caller(key.role, key.user_id, key=key.prefix, only_at=key.address, until=until)
        return self._of_token(connection, memory, text)

    def _of_token(self, connection: Connection, memory: _Memory, token: str) -> Caller | None:
        try:
            claims = tokens.verify(memory.secrets, token)
        except Unauthorized:
            return None
        session = sessions.find(connection, claims.session)
        if session is None or session.user_id != claims.user_id:
            return None
        until = min(claims.expires_at, session.expires_at)
        return Caller(session.role, session.user_id, session=session.id, until=until)

    def csrf_token(self, session: str) -> str:
        """What a page sends back in a header with each change: a page of another site cannot know it."""
        return next(iter(self._csrf_tokens(session)), "")  # the door may have just been closed

    def is_csrf_token(self, session: str, text: str) -> bool:
        return any(hmac.compare_digest(one.encode(), text.encode()) for one in self._csrf_tokens(session))

    def _csrf_tokens(self, session: str) -> list[str]:
        valid = self._memory.secrets if self._memory else secrets.load(self._settings)
        return [hmac.new(one.value, b"csrf" + session.encode(), hashlib.sha256).hexdigest() for one in valid]

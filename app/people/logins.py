"""Logins: passwords are checked, sessions begin, are refreshed, and end.

Of every random text that is given out (cookie, refresh token, invitation) the SHA-256 alone is kept.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import BadRequest, ConfigurationError, NotFound, TooManyRequests, Unauthorized
from app.people import passwords, secrets, tokens
from app.people.backoff import Backoff, network
from app.people.tokens import Claims
from app.repository import accounts, audit, sessions
from app.repository.accounts import Account
from app.storage import Database
from app.storage.quotas import Quotas
from app.user import LONGEST_NAME, name_key

LONGEST_WAIT = 5.0
"""Seconds that a password waits until it is its turn to be hashed."""
DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client gets from a login; `expires_in`: seconds that the access token is valid."""

    access: str
    refresh: str
    expires_in: int

    def __repr__(self) -> str:  # never in a log
        return "Tokens()"


class Logins:
    """One a process. Its methods block, and may be called in several threads.

    `clock`: epoch seconds; `monotonic`: seconds by a clock that is never set.
    """

    def __init__(
        self,
        settings: Settings,
        database: Callable[[], Database],
        quotas: Quotas,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._database, self._clock = settings, database, clock
        self._quotas = quotas
        self._backoff = Backoff(monotonic)
        self._turn = threading.Lock()

    def check(self, name: str, password: str, address: str) -> Account:
        """The account of that name, if the password is its own: `admit`, then `verify`."""
        self.admit(name, password, address)
        return self.verify(name, password, address)

    def admit(self, name: str, password: str, address: str) -> None:
        """Refuse what needs no look at a password, and count the rest.

        Raises `Unauthorized` for what no account can have, `TooManyRequests` for too many logins of the name
        from the address, and during a backoff.
        """
        if len(name) > LONGEST_NAME or len(password) > passwords.LONGEST or not _is_text(name + password):
            raise _wrong()
        key = name_key(name)
        self._backoff.refuse(key, address)
        self._quotas.hit("logins", tokens.digest(key), network(address)).require()

    def verify(self, name: str, password: str, address: str) -> Account:
        """The account of a name that was admitted. Takes the same time for an unknown one.

        Raises `Unauthorized`, and `TooManyRequests` after several failures of the name from the address, or
        if too many passwords wait for their turn.
        """
        key = name_key(name)
        with self._database().read() as connection:
            account = accounts.of_name(connection, key)
        with self._one_at_a_time():
            self._backoff.refuse(key, address)  # others of its kind may have failed meanwhile
            fits = passwords.fits(password, account.password if account else None)
            if not fits or account is None:
                self._backoff.note_failure(key, address)
                raise _wrong()
        self._backoff.forget(key, address)
        return account

    def begin_page_session(self, account: Account) -> tuple[str, float]:
        """Begin a session of a browser: the text of its cookie, and when it ends without use.

        Raises `Unauthorized` if the password has been changed since it was checked.
        """
        cookie = tokens.new_secret()
        with self._database().write() as connection:
            expires_at = self._begin(connection, tokens.digest(cookie), account)
        return cookie, expires_at

    def extend_session(self, session_id: str) -> float:
        """Say that a session is used: returns when it ends from now on without use."""
        with self._database().write() as connection:
            accounts.move_door(connection)  # every process remembers until when it was valid
            return self._extend(connection, session_id)

    def _extend(self, connection: Connection, session_id: str) -> float:
        expires_at = self._clock() + self._settings.session_days * DAY
        sessions.extend(connection, session_id, expires_at=expires_at)
        return expires_at

    def end_session(self, session_id: str) -> None:
        with self._database().write() as connection:
            sessions.end(connection, session_id)

    def begin(self, account: Account) -> Tokens:
        """Begin a session of a client with tokens. Raises like `begin_page_session`."""
        with self._database().write() as connection:
            session_id = tokens.digest(tokens.new_secret())
            self._begin(connection, session_id, account)
            return self._issue(connection, session_id, account.user_id)

    def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token, which is used up. Raises `Unauthorized`.

        If it was used before, its session has ended, with every token that came from it.
        """
        now, digest = self._clock(), tokens.digest(refresh_token)
        with self._database().read() as connection:  # what was guessed takes no write lock
            is_known = sessions.of_refresh_token(connection, digest) is not None
        if is_known:
            with self._database().write() as connection:  # also commits the end of a session
                session = sessions.use_refresh_token(connection, digest, now=now)
                if session is not None and session.expires_at > now:
                    self._extend(connection, session.id)
                    return self._issue(connection, session.id, session.user_id)
        raise Unauthorized(
            "The refresh token is unknown, used or expired. Log in again at POST /token, with a password."
        )

    def revoke(self, token: str) -> None:
        """End the session of a refresh token or an access token; an unknown one is no error (RFC 7009).

        Raises `BadRequest` for an API key.
        """
        if token.startswith(tokens.KEY_PREFIX):
            raise BadRequest("This is an API key, not a token. DELETE /keys/{prefix} revokes it.")
        with self._database().read() as connection:
            session_id = sessions.of_refresh_token(connection, tokens.digest(token))
        if session_id is None:
            session_id = self._session_of_access_token(token)
        if session_id is not None:
            self.end_session(session_id)

    def set_password_by_invitation(self, invitation: str, password: str) -> Account:
        """Set the password of the person who was invited; their sessions and the invitation end.

        Raises `NotFound` for an invitation that is not valid, `Invalid` for a password of a wrong length,
        `TooManyRequests` if too many passwords wait for their turn.
        """
        digest = tokens.digest(invitation)
        with self._database().read() as connection:
            self._invited(connection, digest)
        with self._one_at_a_time():
            stored = passwords.hashed(password)
        with self._database().write() as connection:
            user_id = self._invited(connection, digest)
            accounts.set_password(connection, user_id, stored)
            target = f"/users/{user_id}"
            audit.add(connection, "accept_invitation", target, now=self._clock(), user_id=user_id)
            return accounts.get(connection, user_id)

    def _invited(self, connection: Connection, digest: str) -> int:
        user_id = sessions.invited(connection, digest, now=self._clock())
        if user_id is None or accounts.find(connection, user_id) is None:
            raise NotFound(
                "This invitation was used, has expired, or a newer one replaced it. Ask an admin for another."
            )
        return user_id

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """A hash takes a processor and 64 MB. Raises `TooManyRequests`."""
        if not self._turn.acquire(timeout=LONGEST_WAIT):
            raise TooManyRequests(
                f"Too many logins are under way: this one waited for {LONGEST_WAIT:g} s. Try again later.",
                headers={"Retry-After": "5"},
            )
        try:
            yield
        finally:
            self._turn.release()

    def _begin(self, connection: Connection, session_id: str, account: Account) -> float:
        now = self._clock()
        current = accounts.find(connection, account.user_id)
        if current is None or current.password != account.password:
            raise _wrong()
        expires_at = now + self._settings.session_days * DAY
        sessions.begin(connection, session_id, account.user_id, now=now, expires_at=expires_at)
        return expires_at

    def _issue(self, connection: Connection, session_id: str, user_id: int) -> Tokens:
        valid = secrets.load(self._settings)
        if not valid:
            raise ConfigurationError(
                "There is no secret to sign tokens with. On the machine of the service, `matinee door "
                "rotate` makes one."
            )
        now, seconds = self._clock(), int(self._settings.access_minutes * 60)
        refresh = tokens.new_secret()
        sessions.add_refresh_token(connection, tokens.digest(refresh), session_id)
        access = tokens.issue(valid[0], Claims(session_id, user_id, now + seconds), now=now)
        return Tokens(access, refresh, seconds)

    def _session_of_access_token(self, token: str) -> str | None:
        try:
            claims = tokens.verify(secrets.load(self._settings), token)
        except Unauthorized:
            return None
        return claims.session if claims.expires_at > self._clock() else None


def _wrong() -> Unauthorized:
    return Unauthorized("The name or the password is wrong.")


def _is_text(text: str) -> bool:
    """Whether a database can hold it: no lone surrogates, no NUL."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False

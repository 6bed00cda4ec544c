"""Queries on sessions, refresh tokens and invitations; of every secret the SHA-256 alone is kept."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.repository import accounts as account_rows
from app.storage.schema import accounts, invitations, refresh_tokens, sessions
from app.user import Role


@dataclass(frozen=True, slots=True)
class Session:
    """A login, with the role that the person has now."""

    id: str
    user_id: int
    role: Role
    expires_at: float


def begin(connection: Connection, session_id: str, user_id: int, *, now: float, expires_at: float) -> None:
    values = {"id": session_id, "user_id": user_id, "created_at": now, "expires_at": expires_at}
    connection.execute(sessions.insert().values(values))


def find(connection: Connection, session_id: str) -> Session | None:
    """A session that has not been ended; it may have expired."""
    query = sa.select(sessions.c.id, sessions.c.user_id, accounts.c.role, sessions.c.expires_at)
    query = query.join(accounts, accounts.c.user_id == sessions.c.user_id).where(sessions.c.id == session_id)
    row = connection.execute(query).first()
    return Session(row.id, row.user_id, Role(row.role), row.expires_at) if row else None


def extend(connection: Connection, session_id: str, *, expires_at: float) -> None:
    connection.execute(sessions.update().where(sessions.c.id == session_id).values(expires_at=expires_at))


def end(connection: Connection, session_id: str) -> None:
    """End a session, with every token that came from it."""
    connection.execute(refresh_tokens.delete().where(refresh_tokens.c.session_id == session_id))
    connection.execute(sessions.delete().where(sessions.c.id == session_id))
    account_rows.move_door(connection)


def add_refresh_token(connection: Connection, digest: str, session_id: str) -> None:
    connection.execute(refresh_tokens.insert().values(hash=digest, session_id=session_id))


def of_refresh_token(connection: Connection, digest: str) -> str | None:
    """The session that a refresh token came from, used or not; None if it is unknown."""
    query = sa.select(refresh_tokens.c.session_id).where(refresh_tokens.c.hash == digest)
    return connection.execute(query).scalar()


def use_refresh_token(connection: Connection, digest: str, *, now: float) -> Session | None:
    """The session of a refresh token, which is then used up; None if it is unknown.

    A token that is used twice was stolen, or its successor was: the session ends (RFC 9700, section 4.14.2).
    """
    query = sa.select(refresh_tokens).where(refresh_tokens.c.hash == digest).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.used_at is not None:
        end(connection, row.session_id)
        return None
    connection.execute(refresh_tokens.update().where(refresh_tokens.c.hash == digest).values(used_at=now))
    return find(connection, row.session_id)


def invite(connection: Connection, digest: str, user_id: int, *, expires_at: float) -> None:
    """Keep an invitation; it replaces an earlier one of the person."""
    connection.execute(invitations.delete().where(invitations.c.user_id == user_id))
    connection.execute(invitations.insert().values(hash=digest, user_id=user_id, expires_at=expires_at))


def invited(connection: Connection, digest: str, *, now: float) -> int | None:
    """The person whom an invitation is for; None if it is unknown, used or expired."""
    query = sa.select(invitations.c.user_id).where(
        invitations.c.hash == digest, invitations.c.expires_at > now
    )
    return connection.execute(query).scalar()


def newest(connection: Connection) -> float | None:
    """When the newest session began."""
    return connection.execute(sa.select(sa.func.max(sessions.c.created_at))).scalar()


def forget_expired(connection: Connection, *, before: float, limit: int) -> int:
    """Delete up to `limit` sessions that expired before that time, with their tokens; returns how many."""
    old = sa.select(sessions.c.id).where(sessions.c.expires_at < before).order_by(sessions.c.id).limit(limit)
    ids = connection.execute(old).scalars().all()
    connection.execute(refresh_tokens.delete().where(refresh_tokens.c.session_id.in_(ids)))
    return connection.execute(sessions.delete().where(sessions.c.id.in_(ids))).rowcount


def forget_used(connection: Connection, *, before: float, limit: int) -> int:
    """Delete up to `limit` refresh tokens that were used before that time; returns how many."""
    used = sa.select(refresh_tokens.c.hash).where(refresh_tokens.c.used_at < before).limit(limit)
    return connection.execute(refresh_tokens.delete().where(refresh_tokens.c.hash.in_(used))).rowcount


def forget_invitations(connection: Connection, *, before: float, limit: int) -> int:
    """Delete up to `limit` invitations that expired before that time; returns how many."""
    old = sa.select(invitations.c.hash).where(invitations.c.expires_at < before).limit(limit)
    return connection.execute(invitations.delete().where(invitations.c.hash.in_(old))).rowcount

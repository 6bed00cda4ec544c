"""Expired logins, used tokens and rows of the audit go when they are old; a clock that jumps takes none."""

import pytest

from app.config import Settings
from app.repository import accounts, audit, sessions, users
from app.storage import Database
from app.tasks import retention
from app.tasks.retention import DAY, SteadyTime
from app.user import Role

NOW = 1_700_000_000.0


@pytest.fixture
def user_id(database: Database) -> int:
    with database.write() as connection:
        user = users.create(connection, "Ann", now=NOW)
        accounts.add(connection, user.id, Role.ADMIN, None, now=NOW)
    return user.id


def begin(database: Database, session_id: str, user_id: int, *, at: float, expires_at: float) -> None:
    with database.write() as connection:
        sessions.begin(connection, session_id, user_id, now=at, expires_at=expires_at)
        sessions.add_refresh_token(connection, f"token of {session_id}", session_id)


def note(database: Database, action: str, *, at: float) -> None:
    with database.write() as connection:
        audit.add(connection, action, "x", now=at)


def actions(database: Database) -> list[str]:
    with database.read() as connection:
        return [entry.action for entry in audit.listing(connection, limit=1_000)]


def test_what_expired_goes_with_its_tokens(database: Database, settings: Settings, user_id: int) -> None:
    begin(database, "old", user_id, at=NOW - 9 * DAY, expires_at=NOW - 1)
    begin(database, "new", user_id, at=NOW, expires_at=NOW + DAY)
    with database.write() as connection:
        sessions.invite(connection, "old", user_id, expires_at=NOW - 1)
    assert retention.clean(database, settings, now=NOW)
    with database.read() as connection:
        assert sessions.find(connection, "old") is None
        assert sessions.of_refresh_token(connection, "token of old") is None
        assert sessions.invited(connection, "old", now=0) is None
        assert sessions.find(connection, "new") is not None
        assert sessions.of_refresh_token(connection, "token of new") == "new"


def test_an_invitation_that_is_good_stays(database: Database, settings: Settings, user_id: int) -> None:
    begin(database, "s", user_id, at=NOW, expires_at=NOW + DAY)
    with database.write() as connection:
        sessions.invite(connection, "new", user_id, expires_at=NOW + 1)
    assert retention.clean(database, settings, now=NOW)
    with database.read() as connection:
        assert sessions.invited(connection, "new", now=NOW) == user_id


def test_a_used_token_goes_once_it_is_of_no_use_to_a_thief(
    database: Database, settings: Settings, user_id: int
) -> None:
    begin(database, "s", user_id, at=NOW, expires_at=NOW + 99 * DAY)
    with database.write() as connection:
        sessions.add_refresh_token(connection, "unused", "s")
        sessions.use_refresh_token(connection, "token of s", now=NOW)
    for days, is_kept in ((settings.session_days - 1, True), (settings.session_days + 1, False)):
        begin(database, f"later {days}", user_id, at=NOW + days * DAY, expires_at=NOW + 99 * DAY)
        assert retention.clean(database, settings, now=NOW + days * DAY)
        with database.read() as connection:
            assert (sessions.of_refresh_token(connection, "token of s") is not None) == is_kept
            assert sessions.of_refresh_token(connection, "unused") == "s"


def test_rows_of_the_audit_are_kept_as_long_as_the_setting_says(
    database: Database, engine_settings: Settings
) -> None:
    for number in range(retention.AT_ONCE + 1):
        note(database, f"old {number}", at=NOW - 366 * DAY)
    note(database, "kept", at=NOW - 364 * DAY)
    note(database, "newest", at=NOW)
    assert retention.clean(database, engine_settings, now=NOW)
    assert actions(database) == ["newest", "kept"]


def test_a_clock_far_ahead_takes_nothing(database: Database, settings: Settings, user_id: int) -> None:
    begin(database, "s", user_id, at=NOW, expires_at=NOW + DAY)
    note(database, "newest", at=NOW)
    steady = SteadyTime(database, lambda: NOW + 1_000 * DAY, lambda: 0.0)
    for now in (steady(), NOW + 1_000 * DAY):
        assert retention.clean(database, settings, now=now)
        with database.read() as connection:
            assert sessions.find(connection, "s") is not None
        assert actions(database) == ["newest"]

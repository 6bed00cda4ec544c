"""Logins: a password is checked, and sessions begin, are refreshed and end."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.config import Settings
from app.errors import BadRequest, Invalid, NotFound, TooManyRequests, Unauthorized
from app.people import logins as module
from app.people import passwords, secrets, tokens
from app.people.logins import Logins
from app.repository import accounts, sessions, users
from app.repository.accounts import Account
from app.storage import Database
from app.storage.quotas import Quotas
from app.user import Role

HERE = "192.0.2.1"
PASSWORD = "correct horse"
START = 1_800_000_000.0


class Clocks:
    def __init__(self) -> None:
        self.time, self.monotonic = START, 0.0


class Case:
    """Logins on a database, with clocks that the test sets and hashes that cost nothing."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database, self.clocks = settings, database, Clocks()
        secrets.ensure(settings)
        self.logins = Logins(
            settings,
            lambda: database,
            Quotas(replace(settings, limit_logins="1000/minute")),
            clock=lambda: self.clocks.time,
            monotonic=lambda: self.clocks.monotonic,
        )

    def person(self, name: str = "Zoë", password: str | None = PASSWORD) -> Account:
        with self.database.write() as connection:
            user = users.create(connection, name, now=START)
            stored = None if password is None else passwords.hashed(password)
            return accounts.add(connection, user.id, Role.VIEWER, stored, now=START)

    def wrong(self, name: str = "Zoë", address: str = HERE) -> None:
        with pytest.raises(Unauthorized):
            self.logins.check(name, "wrong", address)

    def session(self, session_id: str) -> Any:
        with self.database.read() as connection:
            return sessions.find(connection, session_id)

    def claims(self, access: str) -> tokens.Claims:
        return tokens.verify(secrets.load(self.settings), access)


@pytest.fixture
def case(engine_settings: Settings, database: Database) -> Iterator[Case]:
    engine_settings.data_dir.mkdir(exist_ok=True)
    yield Case(engine_settings, database)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Hashes that cost nothing. Returns the stored ones that passwords were compared with."""
    seen: list[str | None] = []

    def fits(password: str, stored: str | None) -> bool:
        seen.append(stored)
        return stored == password

    monkeypatch.setattr(passwords, "fits", fits)
    monkeypatch.setattr(passwords, "hashed", lambda password: password)
    return seen


def test_a_name_is_compared_in_every_form(case: Case) -> None:
    account = case.person("Zoë")
    for name in ("Zoë", "zoe\u0308", " ZOË "):
        assert case.logins.check(name, PASSWORD, HERE) == account


def test_an_unknown_name_and_a_wrong_password_are_answered_alike(case: Case, cheap: list[str | None]) -> None:
    case.person("Ann")
    case.person("Ben", None)
    texts = set()
    for name, password in (("Ann", "wrong"), ("Ben", "wrong"), ("Cid", PASSWORD), ("", ""), ("Ann", "")):
        with pytest.raises(Unauthorized) as refusal:
            case.logins.check(name, password, HERE)
        texts.add((refusal.value.detail, str(refusal.value.headers)))
    assert len(texts) == 1
    assert len(cheap) == 5  # a hash each, known or not


@pytest.mark.parametrize(
    ("name", "password"), [("Ann", "x" * 1_000_000), ("A" * 1_000, "x"), ("A\0", "x"), ("Ann", "\ud800")]
)
def test_what_no_account_can_have_is_refused_without_a_hash(
    case: Case, cheap: list[str | None], name: str, password: str
) -> None:
    with pytest.raises(Unauthorized):
        case.logins.check(name, password, HERE)
    assert cheap == []


def test_failures_in_a_row_cost_time_by_name_and_address(case: Case, cheap: list[str | None]) -> None:
    account = case.person("Ann")
    for _ in range(4):
        case.wrong("Ann")
    case.wrong("ANN")
    waits = []
    for _ in range(8):
        with pytest.raises(TooManyRequests) as refusal:
            case.logins.check("Ann", PASSWORD, HERE)
        waits.append(int(refusal.value.headers["Retry-After"]))
        case.clocks.time -= 3600  # a clock that is set changes nothing
        case.clocks.monotonic += waits[-1]
        case.wrong("Ann")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert case.logins.check("Ann", PASSWORD, "192.0.2.2") == account
    case.wrong("Ben")
    case.clocks.monotonic += 60
    assert case.logins.check("Ann", PASSWORD, HERE) == account
    case.wrong("Ann")  # counted from the start
    assert case.logins.check("Ann", PASSWORD, HERE) == account


def test_guesses_at_once_are_no_more_than_guesses_in_a_row(
    case: Case, cheap: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    all_admitted, verify, refused = threading.Barrier(8), case.logins.verify, []

    def wait_and_verify(name: str, password: str, address: str) -> Account:
        all_admitted.wait(10)
        return verify(name, password, address)

    def guess() -> None:
        try:
            case.logins.check("Ann", "wrong", HERE)
        except (Unauthorized, TooManyRequests) as error:
            refused.append(type(error))

    monkeypatch.setattr(case.logins, "verify", wait_and_verify)
    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cheap) == refused.count(Unauthorized) == 5
    assert refused.count(TooManyRequests) == 3


def test_an_unknown_name_waits_as_a_known_one_does(case: Case, cheap: list[str | None]) -> None:
    for _ in range(5):
        case.wrong("Cid", "2001:db8::1")
    with pytest.raises(TooManyRequests):
        case.logins.check("Cid", PASSWORD, "2001:db8::2")  # of the same network


def test_what_the_backoff_keeps_is_bounded(case: Case, cheap: list[str | None]) -> None:
    case.logins._backoff._most = 3
    for number in range(10):
        case.wrong("Ann", f"192.0.2.{number}")
    assert len(case.logins._backoff._failures) == 3


def test_passwords_are_hashed_one_at_a_time(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that would wait too long is refused."""
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.0)
    begun, go_on = threading.Event(), threading.Event()

    def fits(password: str, stored: str | None) -> bool:
        begun.set()
        return go_on.wait(10)

    monkeypatch.setattr(passwords, "fits", fits)
    monkeypatch.setattr(passwords, "hashed", lambda password: password)
    account, found = case.person(), []
    thread = threading.Thread(target=lambda: found.append(case.logins.check("Zoë", PASSWORD, HERE)))
    thread.start()
    assert begun.wait(10)
    with pytest.raises(TooManyRequests) as refusal:
        case.logins.check("Zoë", PASSWORD, HERE)
    assert refusal.value.headers["Retry-After"] == "5"
    go_on.set()
    thread.join()
    assert found == [account]


def test_a_session_of_a_page_is_kept_as_a_digest(case: Case, cheap: list[str | None]) -> None:
    account = case.person()
    cookie, expires_at = case.logins.begin_page_session(account)
    assert expires_at == START + case.settings.session_days * 86_400
    assert case.session(cookie) is None
    session = case.session(tokens.digest(cookie))
    assert (session.user_id, session.expires_at) == (account.user_id, expires_at)
    case.clocks.time += 86_400
    assert case.logins.extend_session(session.id) == expires_at + 86_400
    assert case.session(session.id).expires_at == expires_at + 86_400
    case.logins.end_session(session.id)
    assert case.session(session.id) is None


def test_a_password_that_was_changed_after_its_check_begins_nothing(
    case: Case, cheap: list[str | None]
) -> None:
    account = case.person()
    with case.database.write() as connection:
        accounts.set_password(connection, account.user_id, "another one")
    for begin in (case.logins.begin_page_session, case.logins.begin):
        with pytest.raises(Unauthorized):
            begin(account)


def test_tokens_are_refreshed_and_a_second_use_ends_the_family(case: Case, cheap: list[str | None]) -> None:
    account = case.person()
    first = case.logins.begin(account)
    claims = case.claims(first.access)
    assert (claims.user_id, claims.expires_at) == (account.user_id, START + first.expires_in)
    assert PASSWORD not in repr(first) and first.refresh not in repr(first)
    case.clocks.time += 3600
    second = case.logins.refresh(first.refresh)
    assert case.claims(second.access).session == claims.session
    assert case.session(claims.session).expires_at == START + 3600 + case.settings.session_days * 86_400
    with pytest.raises(Unauthorized):
        case.logins.refresh(first.refresh)
    assert case.session(claims.session) is None
    with pytest.raises(Unauthorized):
        case.logins.refresh(second.refresh)


def test_a_session_that_was_not_used_for_long_is_not_refreshed(case: Case, cheap: list[str | None]) -> None:
    given = case.logins.begin(case.person())
    case.clocks.time += case.settings.session_days * 86_400
    with pytest.raises(Unauthorized):
        case.logins.refresh(given.refresh)


def test_two_at_once_cannot_both_use_a_refresh_token(case: Case, cheap: list[str | None]) -> None:
    given = case.logins.begin(case.person())
    results: list[Any] = []

    def refresh() -> None:
        try:
            results.append(case.logins.refresh(given.refresh))
        except Unauthorized as error:
            results.append(error)

    threads = [threading.Thread(target=refresh) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(not isinstance(result, Unauthorized) for result in results) == 1


def test_tokens_of_either_kind_are_revoked(case: Case, cheap: list[str | None]) -> None:
    account = case.person()
    for kind in ("access", "refresh"):
        given = case.logins.begin(account)
        session_id = case.claims(given.access).session
        case.logins.revoke(getattr(given, kind))
        assert case.session(session_id) is None
    case.logins.revoke("unknown")
    given = case.logins.begin(account)
    head, _, rest = given.access.partition(".")
    case.logins.revoke(f"{head}.{rest[:-4]}AAAA")
    assert case.session(case.claims(given.access).session)
    with pytest.raises(BadRequest):
        case.logins.revoke(tokens.new_key()[0])


def test_an_invitation_sets_a_password_once(case: Case, cheap: list[str | None]) -> None:
    account, text = case.person("Ann", None), tokens.new_secret()
    session_id = tokens.digest(case.logins.begin_page_session(account)[0])

    def invite(expires_at: float) -> None:
        with case.database.write() as connection:
            sessions.invite(connection, tokens.digest(text), account.user_id, expires_at=expires_at)

    invite(START)
    with pytest.raises(NotFound):
        case.logins.set_password_by_invitation(text, "a new password")
    invite(START + 60)
    changed = case.logins.set_password_by_invitation(text, "a new password")
    assert changed == replace(account, password="a new password")
    assert case.session(session_id) is None
    with pytest.raises(NotFound):
        case.logins.set_password_by_invitation(text, "a third password")
    assert case.logins.check("Ann", "a new password", HERE) == changed


def test_a_password_of_a_wrong_length_leaves_the_invitation(case: Case) -> None:
    account, text = case.person("Ann", None), tokens.new_secret()
    with case.database.write() as connection:
        sessions.invite(connection, tokens.digest(text), account.user_id, expires_at=START + 60)
    for password in ("short", "x" * 1_001):
        with pytest.raises(Invalid):
            case.logins.set_password_by_invitation(text, password)
    case.logins.set_password_by_invitation(text, "long enough")

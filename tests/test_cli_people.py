"""The commands for people, the door and keys, on a data folder of their own."""

import io
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.cli import commands
from app.config import Settings
from app.main import create_app
from app.people import passwords, secrets, tokens
from app.rating import Rating
from app.repository import accounts, api_keys, audit, ratings, sessions, users
from app.storage import Database, open_database
from app.user import Role

PASSWORD = "correct horse battery"
Run = Callable[..., int]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(
    engine_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run a command; `stdin`: what it reads, None: a terminal."""
    for name, value in engine_settings.to_environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object, stdin: str | None = None) -> int:
        monkeypatch.setattr("sys.stdin", Terminal() if stdin is None else io.StringIO(stdin))
        return commands.main([str(argument) for argument in arguments])

    yield run
    said = capsys.readouterr()
    assert PASSWORD not in said.out + said.err


@pytest.fixture
def opened(run: Run, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run`, after Ann became the first admin."""
    assert run("user", "add", "Ann", "--role", "admin", "--password-stdin", stdin=PASSWORD + "\n") == 0
    capsys.readouterr()
    return run


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err
    assert said.startswith("matinee: ")
    assert said.count("\n") == 1
    return said


def id_of(database: Database, name: str) -> int:
    with database.read() as connection:
        return next(iter(users.ids_of(connection, name)))


def noted(database: Database) -> list[tuple[str, str]]:
    """Actions and targets in the audit, oldest first. All of them are of the command line."""
    with database.read() as connection:
        rows = audit.listing(connection, limit=100)
    assert {(row.user_id, row.key, row.address) for row in rows} <= {(None, None, None)}
    return [(row.action, row.target) for row in reversed(rows)]


def test_the_first_account_opens_the_door_and_says_what_is_missing(
    run: Run, database: Database, engine_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("user", "add", "Ann", "--password-stdin", stdin=PASSWORD) == 2
    assert "add --role admin" in one_line(capsys)
    assert run("user", "add", "Ann", "--role", "admin", "--password-stdin", stdin=PASSWORD + "\n") == 0
    said = capsys.readouterr().out
    assert PASSWORD not in said
    for missing in ("The door is open", "MATINEE_HOST", "MATINEE_ALLOWED_HOSTS", "an IP address needs none"):
        assert missing in said
    ann = id_of(database, "ann")
    with database.read() as connection:
        account, state = accounts.get(connection, ann), accounts.door_state(connection)
    assert (account.role, state.is_open) == (Role.ADMIN, True)
    assert passwords.fits(PASSWORD, account.password)
    assert stat.S_IMODE(secrets.path_of(engine_settings).stat().st_mode) == 0o600
    assert noted(database) == [("add_user", f"/users/{ann}")]


def test_nothing_is_missing_where_the_settings_say_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATINEE_HOST", "0.0.0.0")  # noqa: S104
    monkeypatch.setenv("MATINEE_ALLOWED_HOSTS", "films.example")
    assert run("user", "add", "Ann", "--role", "admin", "--password-stdin", stdin=PASSWORD) == 0
    assert "MATINEE_HOST" not in capsys.readouterr().out


def test_an_account_for_a_person_who_is_there(
    opened: Run, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.write() as connection:
        ben = users.create(connection, "Ben", now=0).id
    assert opened("user", "add", "BEN", "--role", "editor", "--password-stdin", stdin=PASSWORD) == 0
    assert f"Ben ({ben}) can log in" in capsys.readouterr().out
    with database.read() as connection:
        assert accounts.get(connection, ben).role is Role.EDITOR
    assert opened("user", "add", "Ben", "--password-stdin", stdin=PASSWORD) == 1
    assert "has an account already" in one_line(capsys)
    assert opened("user", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:] for line in lines[1:3]] == [["admin", "set", "Ann"], ["editor", "set", "Ben"]]
    assert lines[-1] == "The door is open."


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        ("", PASSWORD, "1 to 100 printable"),
        ("x" * 1_000, PASSWORD, "1 to 100 printable"),
        ("a\nb", PASSWORD, "1 to 100 printable"),
        ("Ben", "", "no password"),
        ("Ben", "short", "8 to 1,000 characters"),
        ("Ben", "x" * 1_000_000, "8 to 1,000 characters"),
        ("12345", PASSWORD, "no person '12345'"),
        ("9" * 40, PASSWORD, "no person"),
    ],
)
def test_what_does_not_fit_is_one_line(
    opened: Run, database: Database, name: str, password: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened("user", "add", name, "--password-stdin", stdin=password) in (1, 2)
    said = one_line(capsys)
    assert says in said
    assert not password or password not in said
    with database.read() as connection:
        assert len(accounts.listing(connection)) == 1


def test_without_a_terminal_a_password_is_not_asked_for(
    opened: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened("user", "password", "Ann", stdin="") == 2
    assert "--password-stdin" in one_line(capsys)


def test_a_terminal_asks_twice(
    opened: Run, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["a new password", "another one!", "", "a new password", "a new password"])

    def ask(_prompt: str) -> str:
        if answer := next(typed):
            return answer
        raise EOFError  # Ctrl-D

    monkeypatch.setattr("getpass.getpass", ask)
    assert opened("user", "password", "Ann") == 2
    assert "differ" in one_line(capsys)
    assert opened("user", "password", "Ann") == 2
    assert "No password was typed" in one_line(capsys)
    assert opened("user", "password", "Ann") == 0
    with database.read() as connection:
        stored = accounts.get(connection, id_of(database, "Ann")).password
    assert passwords.fits("a new password", stored)


def test_a_new_password_ends_every_session(opened: Run, database: Database) -> None:
    ann = id_of(database, "Ann")
    with database.write() as connection:
        sessions.begin(connection, "s", ann, now=0, expires_at=1e12)
    assert opened("user", "password", ann, "--password-stdin", stdin="another password") == 0
    with database.read() as connection:
        assert sessions.find(connection, "s") is None
    assert noted(database)[-1] == ("set_password", f"/users/{ann}")


def test_the_last_admin_stays(opened: Run, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    ann = id_of(database, "Ann")
    for arguments in (("remove", "Ann"), ("role", "Ann", "editor")):
        assert opened("user", *arguments) == 1
        assert "the last admin" in one_line(capsys)
    assert len(noted(database)) == 1
    assert opened("user", "add", "Ben", "--role", "admin", "--password-stdin", stdin=PASSWORD) == 0
    assert opened("user", "role", "Ann", "viewer") == 0
    assert opened("user", "remove", "Ann") == 0
    assert noted(database)[-2:] == [
        ("set_role", f"/users/{ann}/account"),
        ("remove_account", f"/users/{ann}/account"),
    ]
    assert opened("user", "role", "Ann", "viewer") == 2
    assert "has no account" in one_line(capsys)


def test_an_invitation_is_a_link_for_one_use(
    opened: Run, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened("user", "invite", "Zoe", "--url", "https://films.example/m/") == 0
    link = capsys.readouterr().out.strip()
    secret = link.removeprefix("https://films.example/m/invite/")
    with database.read() as connection:
        zoe = sessions.invited(connection, tokens.digest(secret), now=0)
        assert zoe == id_of(database, "Zoe")
        assert accounts.get(connection, zoe).role is Role.VIEWER
    assert noted(database)[-1] == ("invite_user", f"/users/{zoe}")
    monkeypatch.setenv("MATINEE_HOST", "0.0.0.0")  # noqa: S104
    monkeypatch.setenv("MATINEE_ALLOWED_HOSTS", "films.example, other.example")
    assert opened("user", "invite", "Zoe") == 0
    assert re.fullmatch(r"http://films\.example:8000/invite/\S{43}\n", capsys.readouterr().out)
    assert opened("user", "invite", "Zoe", "--role", "admin") == 1
    assert "role viewer" in one_line(capsys)


def test_an_invitation_cannot_be_the_first_account(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("user", "invite", "Zoe") == 1
    assert "matinee user add NAME --role admin" in one_line(capsys)
    assert run("door", "on") == 1
    assert "matinee user add NAME --role admin" in one_line(capsys)


def test_the_door_closes_and_opens_with_its_accounts(opened: Run, database: Database) -> None:
    with database.read() as connection:
        before = accounts.door_state(connection)
    states = []
    for action in ("off", "on", "rotate"):
        assert opened("door", action) == 0
        with database.read() as connection:
            states.append(accounts.door_state(connection))
            assert len(accounts.listing(connection)) == 1
    assert [state.is_open for state in states] == [False, True, True]
    assert [state.version for state in states] == [before.version + step for step in (1, 2, 3)]
    assert [action for action, _ in noted(database)[1:]] == ["close_door", "open_door", "rotate_secret"]


def test_a_running_server_takes_tokens_of_both_secrets(opened: Run, engine_settings: Settings) -> None:
    database = open_database(engine_settings)
    ann = id_of(database, "Ann")
    with database.write() as connection:
        sessions.begin(connection, "s", ann, now=0, expires_at=1e12)
    app = create_app(engine_settings)
    client = TestClient(app)

    def status() -> list[int]:
        return [client.get("/movies", headers=header).status_code for header in headers]

    headers = [token(engine_settings, ann)]
    assert status() == [200]
    assert opened("door", "rotate") == 0
    headers.append(token(engine_settings, ann))
    assert status() == [200, 200]
    assert opened("door", "rotate") == 0
    assert status() == [401, 200]
    app.state.service.close()
    database.close()


def token(settings: Settings, user_id: int) -> dict[str, str]:
    claims = tokens.Claims("s", user_id, 1e10)
    return {"Authorization": "Bearer " + tokens.issue(secrets.load(settings)[0], claims, now=0)}


def test_a_secret_of_the_settings_is_rotated_there(
    opened: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATINEE_SECRET_KEY", "s" * 40)
    assert opened("door", "rotate") == 1
    said = one_line(capsys)
    assert "MATINEE_SECRET_KEY_BEFORE" in said
    assert "sss" not in said


def test_a_key_is_printed_once(
    opened: Run, database: Database, engine_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    ann = id_of(database, "Ann")
    assert opened("key", "add", "backup", "--owner", "ann", "--role", "editor", "--days", 7) == 0
    key = capsys.readouterr().out.strip()
    with database.read() as connection:
        found = api_keys.find(connection, tokens.digest(key))
    assert found is not None
    assert (found.name, found.user_id, found.role, found.address) == ("backup", ann, Role.EDITOR, None)
    assert found.expires_at == pytest.approx(found.created_at + 7 * 86_400)
    assert opened("key", "list") == 0
    listed = capsys.readouterr().out
    assert f"{found.prefix}  editor" in listed
    assert key not in listed
    assert opened("key", "revoke", found.prefix) == 0
    with database.read() as connection:
        assert api_keys.find(connection, tokens.digest(key)) is None
    assert noted(database)[-2:] == [
        ("add_key", f"/keys/{found.prefix}"),
        ("revoke_key", f"/keys/{found.prefix}"),
    ]
    assert opened("key", "revoke", found.prefix) == 1
    assert "There is no key" in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--owner", "Eve"), "no person 'Eve'"),
        (("--owner", "Ann", "--days", "0"), "--days takes"),
        (("--owner", "Ann", "--days", "nan"), "--days takes"),
        (("--owner", "Ann", "--address", "feed"), "--address takes a path"),
        (("--owner", "Ann", "--address", "/a b"), "--address takes a path"),
        (("--owner", "Zoe", "--role", "editor"), "the role viewer"),
    ],
)
def test_a_key_that_does_not_fit(
    opened: Run, arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened("user", "invite", "Zoe") == 0
    capsys.readouterr()
    assert opened("key", "add", "backup", *arguments) in (1, 2)
    assert says in one_line(capsys)


def test_removing_an_account_keeps_the_ratings(opened: Run, database: Database) -> None:
    assert opened("user", "add", "Ben", "--password-stdin", stdin=PASSWORD) == 0
    ben = id_of(database, "Ben")
    with database.write() as connection:
        ratings.put(connection, Rating(ben, 1, 4.0, 1))
    assert opened("user", "remove", "Ben") == 0
    with database.read() as connection:
        assert users.get(connection, ben).rating_count == 1


def test_help_needs_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "none"))
    for words in (["user", "add", "--help"], ["door", "--help"], ["key", "--help"]):
        with pytest.raises(SystemExit) as ended:
            commands.main(words)
        assert ended.value.code == 0
    assert not (tmp_path / "none").exists()

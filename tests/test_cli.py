"""The command line as a person meets it: one line for what they can mend, and what became of each file."""

import asyncio
import errno
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.cli import commands
from app.cli.listening import listen
from app.client import MatineeClient
from app.config import Settings
from app.main import create_app
from app.people import keys, secrets
from app.people.keys import Wish
from app.repository import accounts, users, waiting
from app.repository.waiting import Waiting
from app.service import Service
from app.user import Role

GOOD = "user_id,movie_id,score\n7,1,5\n"
LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Toy Story,1995,https://boxd.it/1,4.5\n"
Run = Callable[..., int]


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """A command sets the levels of loggers that later tests read."""
    loggers = [logging.getLogger(name) for name in ("matinee", "app.retry_client")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.fixture
def run(client: TestClient, run_tasks: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against `client`; `interrupt`: Ctrl-C in the first pause."""

    def run(*arguments: object, interrupt: bool = False) -> int:
        def sleep(_seconds: float) -> None:
            if interrupt:
                raise KeyboardInterrupt
            run_tasks()

        def connect(_address: str, token: str | None) -> MatineeClient:
            return MatineeClient("http://testserver", transport=client._transport, sleep=sleep, token=token)

        monkeypatch.setattr("app.client.MatineeClient", connect)
        return commands.main([str(argument) for argument in arguments])

    return run


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    contents = {"bad.csv": "colour\nred\n", "good.csv": GOOD, "ratings.csv": LETTERBOXD}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    return {name: tmp_path / name for name in contents}


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on standard error, which is one line."""
    said = capsys.readouterr().err
    assert said.startswith("matinee: ")
    assert said.count("\n") == 1
    return said


class TestStart:
    @pytest.mark.parametrize("command", ["serve", "worker", "demo"])
    def test_a_folder_that_cannot_be_written(
        self,
        command: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "file" / "data"))
        monkeypatch.setenv("MATINEE_PORT", "0")
        monkeypatch.setattr("os.nice", lambda _: 0)
        assert commands.main([command]) == 1
        assert "set MATINEE_DATA_DIR" in one_line(capsys)

    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("PORT", "x", "MATINEE_PORT"),
            ("PORT", "99999", "MATINEE_PORT"),
            ("HOST", "192.0.2.1", "MATINEE_HOST"),
            ("DATABASE_URL", "mysql://x/y", "MATINEE_DATABASE_URL"),
            (
                "DATABASE_URL",
                "postgresql://u:secret@127.0.0.1:1/x",
                "Start it, or correct MATINEE_DATABASE_URL",
            ),
        ],
    )
    def test_a_setting_that_does_not_work(
        self,
        name: str,
        value: str,
        says: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("MATINEE_PORT", "0")
        monkeypatch.setenv(f"MATINEE_{name}", value)
        assert commands.main(["serve"]) == 1
        said = one_line(capsys)
        assert says in said
        assert "secret" not in said

    def test_a_port_that_is_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path))
        with listen("127.0.0.1", 0) as taken:
            monkeypatch.setenv("MATINEE_PORT", str(taken.getsockname()[1]))
            assert commands.main(["serve"]) == 1
        assert "is in use by another program" in one_line(capsys)

    def test_a_file_that_is_no_database(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "matinee.db").write_text("not a database at all, but long enough to be read as one" * 9)
        monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("MATINEE_PORT", "0")
        assert commands.main(["serve"]) == 1
        assert "cannot be opened: file is not a database" in one_line(capsys)

    def test_under_another_server_its_log_has_the_line(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        app = create_app(Settings(data_dir=tmp_path / "file" / "data", embedded_worker=False))
        sent: list[Any] = []

        async def receive() -> dict[str, str]:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            sent.append(message)

        with pytest.raises(OSError, match="Not a directory"):
            asyncio.run(app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
        assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
        assert "set MATINEE_DATA_DIR" in sent[0]["message"]
        assert "\n" not in sent[0]["message"]


class TestImport:
    def test_every_file_that_cannot_be_read_is_named_before_anything_is_sent(
        self, run: Run, client: TestClient, files: dict[str, Path], tmp_path: Path, capsys: Any
    ) -> None:
        assert run("import", files["good.csv"], tmp_path / "none.csv", tmp_path) == 2
        said = one_line(capsys)
        assert f"{tmp_path / 'none.csv'} does not exist; {tmp_path} is a folder. Nothing was sent." in said
        assert client.get("/tasks").json() == []

    def test_one_that_is_refused_does_not_stop_the_next(
        self, run: Run, client: TestClient, files: dict[str, Path], capsys: Any
    ) -> None:
        assert run("import", files["bad.csv"], files["good.csv"]) == 1
        said = capsys.readouterr()
        assert said.out.splitlines()[-2:] == [
            f"{files['bad.csv']}: not imported",
            f"{files['good.csv']}: imported",
        ]
        assert str(files["bad.csv"]) in said.err
        assert client.get("/ratings?user_id=7").json()[0]["score"] == 5

    def test_an_export_of_one_person_needs_to_know_whose(
        self, run: Run, client: TestClient, files: dict[str, Path], capsys: Any
    ) -> None:
        assert run("import", files["ratings.csv"]) == 1
        said = one_line(capsys)
        assert "--user, by name or id" in said
        assert "POST" not in said
        assert run("import", files["ratings.csv"], "--user", 9) == 0
        assert client.get("/ratings?user_id=9").json()[0]["score"] == 4.5

    def test_a_person_is_named_by_name_or_id(
        self, run: Run, client: TestClient, files: dict[str, Path], capsys: Any
    ) -> None:
        ada = client.post("/users", json={"name": "Ada"}).json()["id"]
        assert run("import", files["ratings.csv"], "--user", "ADA") == 0
        assert client.get(f"/ratings?user_id={ada}").json()[0]["score"] == 4.5
        assert run("recommend", "Ada") == 0
        assert f"For user {ada}" in capsys.readouterr().out
        assert run("import", files["ratings.csv"], "--user", "Eve") == 2
        assert "no person named 'Eve'" in one_line(capsys)

    def test_ctrl_c_says_that_the_task_goes_on_and_where_it_is(
        self, run: Run, client: TestClient, files: dict[str, Path], capsys: Any
    ) -> None:
        assert run("import", files["good.csv"], interrupt=True) == 130
        task_id = client.get("/tasks").json()[0]["task_id"]
        said = capsys.readouterr().err
        assert f"goes on in the server as task {task_id}" in said
        assert f"http://testserver/activity/{task_id}" in said
        assert client.get(f"/activity/{task_id}").status_code == 200

    def test_what_cannot_be_known_is_asked_by_option(
        self, run: Run, client: TestClient, tmp_path: Path, capsys: Any
    ) -> None:
        path = tmp_path / "films.csv"
        path.write_text("Streifen,Eindruck,gesehen\nToy Story (1995),97,3/4/2021\nHeat (1995),150,5/6/2021\n")
        said = ["--user", "9"]
        for option, value in (
            ("--columns", "title:1,score:2,rated_at:3"),
            ("--scale", "100"),
            ("--dates", "day"),
        ):
            assert run("import", path, *said) == 1
            asked = capsys.readouterr()
            assert option in asked.err
            assert "POST" not in asked.err
            said += [option, value]
        path.write_text(path.read_text().replace("150", "40"))
        assert run("import", path, *said) == 0
        out = capsys.readouterr().out
        assert "title is 'Streifen', score is 'Eindruck', rated_at is 'gesehen'" in out
        assert "scale 0-100; dates day" in out
        assert {rating["score"] for rating in client.get("/ratings?user_id=9").json()} == {2.0, 5.0}
        assert run("import", path, *said, "--charset", "klingon") == 1
        assert "--charset windows-1252" in one_line(capsys)

    def test_no_server_is_one_line_without_the_attempts(
        self, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with listen("127.0.0.1", 0) as reserved:
            address = f"127.0.0.1:{reserved.getsockname()[1]}"
        process = subprocess.run(
            [sys.executable, "-m", "app.cli", "import", str(files["good.csv"]), "--url", address],
            check=False,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 1
        assert process.stderr == (
            f"matinee: no answer from http://{address}; is it running? Start it with `matinee serve`, or say "
            "where it is with --url.\n"
        )


class TestWaiting:
    @pytest.fixture
    def number(self, client: TestClient) -> int:
        """The row of user 7 that waits for its film."""
        service: Service = client.app.state.service  # type: ignore[attr-defined]
        row = Waiting(7, "work", "Toy Storey", 1995, score=4.5, reason="no title is the same")
        row = replace(row, candidates=((1, "one letter differs"),))
        with service.database.write() as connection:
            waiting.put(connection, 7, [row])
            return waiting.listing(connection, 7, limit=1)[0].number

    def test_rows_are_shown_with_what_may_be_meant(self, run: Run, number: int, capsys: Any) -> None:
        assert run("waiting", 7) == 0
        first, second, *_, last = capsys.readouterr().out.splitlines()
        assert first.strip() == f"{number}  Toy Storey (1995), 4.5: no title is the same"
        assert second.strip() == "1  Toy Story (1995) (one letter differs)"
        assert "--choose ROW MOVIE" in last
        assert run("waiting", 8) == 0
        assert "No row of user 8 waits" in capsys.readouterr().out

    def test_one_is_given_its_film(self, run: Run, client: TestClient, number: int, capsys: Any) -> None:
        assert run("waiting", 7, "--choose", number, 424242) == 1
        assert "424242" in one_line(capsys)
        assert run("waiting", 7, "--choose", number, 1) == 0
        assert f"Row {number} is Toy Story (1995) now" in capsys.readouterr().out
        assert client.get("/ratings?user_id=7").json()[0]["score"] == 4.5
        assert run("waiting", 7, "--choose", number, 1) == 1
        assert "`matinee waiting 7` lists them" in one_line(capsys)

    def test_one_is_given_up(self, run: Run, client: TestClient, number: int) -> None:
        assert run("waiting", 7, "--drop", number) == 0
        assert client.get("/users/7/waiting").json() == client.get("/ratings?user_id=7").json() == []


class TestHook:
    def test_one_is_made_shown_and_removed(self, run: Run, client: TestClient, capsys: Any) -> None:
        assert run("hook", "list") == 0
        assert "There is no hook" in capsys.readouterr().out
        assert run("hook", "add", "kodi", "--user", 7, "--name", "anna=7", "--name", "a=b=") == 0
        first, address = capsys.readouterr().out.splitlines()
        (made,) = client.get("/hooks").json()
        assert first.startswith(f"Hook {made['number']} for kodi.")
        assert made["names"] == {"anna": 7, "a=b": None}
        told = {"event": "watched", "user": "anna", "type": "movie", "title": "Toy Story", "year": 1995}
        assert client.post(address.strip(), json=told | {"at": 1_700_000_000}).json()["counted"] == 1
        assert run("hook", "list", "--user", 7) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert "kodi of user 7 (a=b is ignored, anna is user 7): 1 counted" in line
        assert run("hook", "remove", made["number"], "--user", 7) == 0
        assert client.get("/hooks").json() == []
        assert client.post(address.strip(), json=told).status_code == 404

    def test_what_is_not_there_or_not_said_is_one_line(self, run: Run, capsys: Any) -> None:
        assert run("hook", "remove", 424242) == 1
        assert "`matinee hook list`" in one_line(capsys)
        assert run("hook", "add", "kodi", "--name", "anna") == 2
        assert "anna=7" in one_line(capsys)


class TestToken:
    """The commands against a server whose door is open."""

    @pytest.fixture
    def key(self, client: TestClient, run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
        """A new key of the person of that name, whose role it has too."""
        service: Service = client.app.state.service  # type: ignore[attr-defined]
        secrets.ensure(service.settings)

        def key(name: str, role: Role) -> str:
            with service.database.write() as connection:
                accounts.move_door(connection, is_open=True)
                user = users.create(connection, name, now=0)
                accounts.add(connection, user.id, role, None, now=0)
                return keys.issue(connection, Wish("script", user.id, role))[0]

        return key

    def test_without_one_the_line_says_how_to_get_it(
        self, run: Run, key: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: Any
    ) -> None:
        key("Ann", Role.ADMIN)
        monkeypatch.delenv("MATINEE_TOKEN", raising=False)
        assert run("rebuild") == 1
        said = one_line(capsys)
        assert "matinee key add NAME --owner PERSON --role editor" in said
        assert "MATINEE_TOKEN" in said
        assert "/token" not in said
        wrong = "matinee_00000000_wrong"
        assert run("rebuild", "--token", wrong) == 1
        assert wrong not in one_line(capsys)

    def test_it_comes_by_environment_or_option(
        self, run: Run, key: Callable[..., str], files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = key("Ann", Role.EDITOR)
        assert run("import", files["good.csv"], "--token", text) == 0
        monkeypatch.setenv("MATINEE_TOKEN", text)
        assert run("import", files["ratings.csv"], "--user", 9) == 0
        assert run("recommend", "Ann") == 0

    def test_one_that_may_not_is_said_in_the_terms_of_the_command_line(
        self,
        run: Run,
        key: Callable[..., str],
        files: dict[str, Path],
        monkeypatch: pytest.MonkeyPatch,
        capsys: Any,
    ) -> None:
        text = key("Ben", Role.VIEWER)
        monkeypatch.setenv("MATINEE_TOKEN", text)
        assert run("rebuild") == 1
        said = one_line(capsys)
        assert "needs the role editor; yours is viewer" in said
        assert "matinee key add" in said
        assert run("import", files["ratings.csv"]) == 1
        said = one_line(capsys)
        assert "--user 1000000" in said
        assert "user_id" not in said
        assert text not in said


def test_a_demo_of_files_that_rate_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n")
    (tmp_path / "ratings.csv").write_text("who,what\nme,that\n")
    assert commands.main(["demo", str(tmp_path)]) == 2
    said = one_line(capsys)
    assert "Nothing in" in said
    assert "ratings.csv begins with 'who,what'" in said


def test_output_that_is_not_read_to_its_end_is_no_traceback() -> None:
    code = "import sys; from app.cli import commands, console; "
    code += "console.recommend = lambda *_: print('x' * 100_000); sys.exit(commands.main(['recommend', '7']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 1


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr("app.tasks.worker.main", refuse)
    assert commands.main(["worker"]) == 1
    shown = capsys.readouterr().err
    assert "Make room" in shown
    assert shown.count("\n") == 1


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.tasks.worker.main", lambda *_a, **_k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        commands.main(["worker"])


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "::", "port": 80}, "http://[::1]:80"),
        ({"tls_cert": "a.crt", "tls_key": "a.key"}, "https://127.0.0.1:8000"),
        ({"root_path": "/films"}, "http://127.0.0.1:8000/films"),
    ],
)
def test_the_server_is_called_as_the_settings_have_it(changes: dict[str, Any], url: str) -> None:
    assert commands._own_url(Settings(**changes)) == url

"""The command line as a person meets it: one line for what they can mend, and what became of each file."""

import asyncio
import errno
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from app.repository import accounts, users
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


def test_a_demo_of_files_that_are_not_movielens_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATINEE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n")
    (tmp_path / "ratings.csv").write_text("who,what\nme,that\n")
    assert commands.main(["demo", str(tmp_path)]) == 2
    assert "its first column is userId" in one_line(capsys)


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

"""`matinee migrate-storage` as a person runs it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import commands
from app.config import Settings
from app.rating import Rating
from app.repository import ratings
from app.storage import open_database

Run = Callable[..., int]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with the data folder of the test, in whose database user 7 has rated."""
    database = open_database(settings)
    with database.write() as connection:
        ratings.put(connection, Rating(7, 1, 4.5, 1_000))
    database.close()
    monkeypatch.setenv("MATINEE_DATA_DIR", str(settings.data_dir))
    return lambda *words: commands.main(["migrate-storage", *map(str, words)])


def test_it_prints_what_was_moved_and_what_to_do(
    run: Run, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = settings.url, f"sqlite:///{tmp_path / 'new' / 'films.db'}"
    assert run(source, target, "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["tables"]["ratings"]["rows"] == 1
    assert "copying rows" in printed.err and "comparing" in printed.err
    assert run(source, target) == 1
    assert "TO holds tables already" in capsys.readouterr().err
    assert run(source, f"sqlite:///{tmp_path / 'third.db'}", "--to-dir", tmp_path / "third") == 0
    out = capsys.readouterr().out
    assert "every digest is the same" in out
    assert f"Set MATINEE_DATABASE_URL=sqlite:///{tmp_path / 'third.db'} and MATINEE_DATA_DIR=" in out


def test_what_cannot_be_had_is_said_in_one_line(
    run: Run, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = "postgresql://x:secret@127.0.0.1:9/none?connect_timeout=1"
    assert run(settings.url, nobody) == 1
    printed = capsys.readouterr().err
    assert "cannot be reached" in printed and "correct TO" in printed
    assert "secret" not in printed
    assert run(nobody, settings.url) == 1
    assert "correct FROM" in capsys.readouterr().err
    assert run("sqlite:///none.db", settings.url) == 2
    assert "There is no database at" in capsys.readouterr().err
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 1000)
    assert run(settings.url, f"sqlite:///{broken}") == 1
    assert "cannot be opened" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(
    run: Run,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    target = f"sqlite:///{tmp_path / 'new.db'}"
    with monkeypatch.context() as patch:
        patch.setattr("app.transfers.transfer.move", interrupt)
        assert run(settings.url, target) == 130
    assert "goes on where it stopped" in capsys.readouterr().err
    assert run(settings.url, target) == 0

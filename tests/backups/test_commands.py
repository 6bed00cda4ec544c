"""`matinee backup`, `restore` and `vacuum`, and backups by schedule."""

import errno
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import kinds  # noqa: F401  (registers them)
from app.backups import ledger, making
from app.backups.files import written
from app.backups.kinds import BACK_UP, BACKUP, archives, folder_of
from app.cli import commands
from app.config import Settings
from app.errors import StorageFull
from app.people.forget import Asker, forget
from app.rating import Rating
from app.repository import ratings, tasks
from app.storage import open_database
from app.task import COMPLETE
from app.tasks.start import start
from app.tasks.worker import run_next

Run = Callable[..., int]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the data folder of the test, in which user 7 has rated, or on another one."""
    database = open_database(settings)
    with database.write() as connection:
        ratings.put(connection, Rating(7, 1, 4.5, 1_000))
    database.close()
    (settings.data_dir / "secret.key").write_text("of-nobody's-business-" * 2)

    def run(*arguments: object, data_dir: Path | None = None) -> int:
        monkeypatch.setenv("MATINEE_DATA_DIR", str(data_dir or settings.data_dir))
        monkeypatch.setenv("MATINEE_SECRET_KEY_BEFORE", "another-secret-of-many-letters-and-more")
        return commands.main([str(argument) for argument in arguments])

    return run


def test_a_backup_is_restored_by_its_command_without_secrets(
    run: Run, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path, there = tmp_path / "a.tar", tmp_path / "there"
    assert run("backup", path) == 0
    assert (path.stat().st_mode & 0o777, list(tmp_path.glob("*.part"))) == (0o600, [])
    assert b"secret-of-many" not in path.read_bytes() and b"nobody's-business" not in path.read_bytes()
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["matinee-backup.json", "database/matinee.db", "contents.json"]
        assert sorted(json.load(archive.extractfile("matinee-backup.json") or sys.stdin)["settings"]) == [
            "MATINEE_DATA_DIR"
        ]
    assert run("restore", path, data_dir=there) == 0
    assert "1 ratings" in capsys.readouterr().out
    assert sorted(one.name for one in there.iterdir()) == ["matinee.db"]
    assert run("restore", path) == 1
    assert "is not empty" in capsys.readouterr().err
    assert run("restore", tmp_path / "none", data_dir=tmp_path / "other") == 2
    assert run("backup", tmp_path / "none" / "a.tar") == 2
    assert run("vacuum") == 0
    assert "The database took" in capsys.readouterr().out


def test_who_was_forgotten_is_known_beside_the_archive(
    run: Run, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("backup", tmp_path / "a.tar") == 0
    database = open_database(settings)
    forget(database, settings, 7, Asker(), now=os.path.getmtime(tmp_path / "a.tar") + 1)
    database.close()
    assert run("restore", tmp_path / "a.tar", "--forgotten", settings.data_dir, data_dir=tmp_path / "1") == 0
    assert "Dropped, since they were forgotten later: 7" in capsys.readouterr().out
    assert run("backup", tmp_path / "b.tar") == 0  # notes it beside them
    for number, options in (("2", ()), ("3", ("--forgotten", tmp_path / "b.tar"))):
        assert run("restore", tmp_path / "a.tar", *options, data_dir=tmp_path / number) == 0
        assert "0 ratings" in capsys.readouterr().out


def test_a_backup_onto_a_full_disk_leaves_nothing(run: Run, tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(StorageFull, match="nothing is left"), written(tmp_path / "a.tar") as file:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.glob("a.tar*"))
    with pytest.raises(StorageFull, match="MB free"):
        making.refuse_full(tmp_path, 1 << 60)
    run("backup", tmp_path / "b.tar")  # the environment is set
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "app.cli", "backup", "-"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "full" in done.stderr and "Traceback" not in done.stderr
    assert not list(settings.data_dir.glob(".matinee*"))


def test_backups_by_schedule_are_made_and_the_oldest_deleted(settings: Settings) -> None:
    settings = replace(settings, backup_every=2.0, keep_backups=1)
    database = open_database(settings)
    assert BACKUP.due(database, replace(settings, backup_every=0.0), 0.0) is None
    folder = folder_of(settings)
    deleted = []
    for round_ in range(2):
        assert (BACKUP.due(database, settings, 1e12) is not None) or not round_
        task = start(database, BACK_UP)
        assert BACKUP.due(database, settings, 1e12) is None  # one is queued
        (folder / "matinee-x.tar.part").touch() if round_ else None
        assert run_next(database, settings)
        with database.read() as connection:
            found = tasks.get(connection, task.id)
        assert found is not None and found.status == COMPLETE and found.result is not None, found
        assert [path.name for path in archives(folder)] == [found.result["file"]]
        assert not list(folder.glob("*.part"))
        deleted += found.result["deleted"]
        assert found.result["size"] == archives(folder)[0].stat().st_size
        assert BACKUP.due(database, settings, found.created_at + 3600.0) is None
        assert BACKUP.due(database, settings, found.created_at + 7201.0) is not None
    assert len(deleted) == 1
    forget_everybody(settings)
    BACKUP.clean(database, settings, 0.0)
    assert [user_id for user_id, _ in ledger.read(folder / ledger.NAME)] == [7]
    database.close()


def forget_everybody(settings: Settings) -> None:
    database = open_database(settings)
    with database.write() as connection:
        ratings.put(connection, Rating(7, 1, 4.5, 1_000))
    forget(database, settings, 7, Asker(), now=3_000.0)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM ratings")).scalar_one() == 0
    database.close()

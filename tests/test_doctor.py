"""`matinee doctor`: what is wrong with an installation is found, with what to do, and nothing is changed."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.checks import machine
from app.checks.finding import FAULT, WARNING, Finding
from app.cli import commands, doctor
from app.config import Settings
from app.storage import open_database
from app.storage.heartbeat import Heartbeat, record_of
from app.storage.locks import try_lock

Change = Callable[[Settings], object]


def execute(settings: Settings, statement: str) -> None:
    database = open_database(settings)
    with database.write() as connection:
        connection.execute(sa.text(statement))
    database.close()


def damage(settings: Settings) -> None:
    with (settings.data_dir / "matinee.db").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 4)


def active_model(settings: Settings) -> None:
    execute(
        settings,
        "INSERT INTO models (task_id, checksum, active, promoted, reason, settings, evaluation, ratings, "
        "users, movies, created_at) VALUES ('t', 'abc', true, true, '', '{}', '{}', 2, 2, 1, 1)",
    )


def task(status: str, at: str = "1") -> Change:
    columns = "id, kind, status, params, created_at, finished_at"
    return lambda settings: execute(
        settings,
        f"INSERT INTO tasks ({columns}) VALUES ('t', 'rebuild_model', '{status}', '{{}}', {at}, {at})",
    )


def found(settings: Settings, state: str) -> dict[str, Finding]:
    return {one.check: one for one in doctor.examine(settings) if one.state == state}


def test_a_good_installation_has_no_fault_and_stays_as_it_is(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATINEE_DATA_DIR", str(settings.data_dir))
    before = (settings.data_dir / "matinee.db").read_bytes()
    assert commands.main(["doctor", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["faults"] == 0
    checks = {one["check"] for one in printed["findings"]}
    assert checks >= {
        "settings",
        "versions",
        "disk",
        "permissions",
        "clock",
        "database",
        "schema",
        "integrity",
    }
    assert checks >= {"locks", "worker", "model"}
    assert commands.main(["doctor"]) == 0
    assert "0 faults" in capsys.readouterr().out
    assert (settings.data_dir / "matinee.db").read_bytes() == before
    empty = replace(settings, data_dir=settings.data_dir / "none")
    assert found(empty, FAULT) == {} and not empty.data_dir.exists()


@pytest.mark.parametrize(
    ("check", "change", "advice"),
    [
        ("schema", lambda s: execute(s, "UPDATE alembic_version SET version_num = '9999'"), "Install that"),
        ("integrity", damage, "restore the last backup"),
        ("worker", task("queued"), "matinee serve"),
        ("clock", task("complete", "9e9"), "Set the clock"),
        ("model", active_model, "matinee rebuild"),
        ("permissions", lambda s: (s.data_dir / "secret.key").write_text("x" * 40), "chmod 600"),
    ],
)
def test_a_fault_is_named_with_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, check: str, change: Change, advice: str
) -> None:
    change(settings)
    if check == "permissions":
        (settings.data_dir / "secret.key").chmod(0o644)
    faults = found(settings, FAULT)
    assert list(faults) == [check]
    assert advice in faults[check].advice
    monkeypatch.setenv("MATINEE_DATA_DIR", str(settings.data_dir))
    assert commands.main(["doctor"]) == 1


def test_a_worker_that_stands_still_is_named(settings: Settings) -> None:
    lock = settings.data_dir / "runner.lock"
    held = try_lock(lock)
    assert held is not None
    heartbeat = Heartbeat()
    with heartbeat.beside(lock):
        assert found(settings, FAULT) == {}
        heartbeat.work_on("t", "rebuild_model", silence=-1.0)
        heartbeat.beat()
        fault = found(settings, FAULT)["locks"]
    os.close(held)
    assert str(os.getpid()) in fault.text and "kill -9" in fault.advice
    assert record_of(lock).exists()


def test_what_may_matter_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATINEE_SWEEP", "3")
    task("failed", str(int(time.time())))(settings)
    execute(settings, "INSERT INTO ratings (user_id, movie_id, score, rated_at) VALUES (1, 1, 5, 1)")
    warnings = found(replace(settings, backup_every=1.0), WARNING)
    assert (
        "MATINEE_SWEEPS" in warnings["settings"].advice or "MATINEE_BACKUP_DIR" in warnings["settings"].advice
    )
    assert {"worker", "model", "store"} <= warnings.keys()


def test_a_disk_without_room_and_a_folder_that_cannot_be_made(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LEAST_FREE", 1 << 60)
    assert [one.state for one in machine.of_disk(settings)] == [FAULT]
    monkeypatch.setattr(os, "access", lambda *_: False)
    for folder in (settings.data_dir, Path("/nowhere/at/all")):
        states = [one.state for one in machine.of_permissions(replace(settings, data_dir=folder))]
        assert states == [FAULT]

"""Upgrades beside processes of the release before: those that roll, and those that need a stop."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from app.config import Settings
from app.errors import AppError, ConfigurationError, Unavailable
from app.storage import Database, open_database, revisions
from app.storage.upgrades import works
from tests.conftest import ENGINES
from tests.server import poll
from tests.storage.releases import NUMBER, later_release, running

NOW = revisions.MIGRATIONS
LAST_WITHOUT = "0023"
"""The last migration before the first that says whether it rolls."""
OPEN = """
import sys
from app.config import Settings
from app.storage import database, open_database, postgres, upgrades
database.PATIENCE = postgres.PATIENCE = 60.0  # the machine may be busy
done = []
upgrade = upgrades.upgrade
upgrades.upgrade = lambda connection: (done.append(1), upgrade(connection))
print("here", flush=True)
sys.stdin.readline()
kept = open_database(Settings.from_environment())
print(len(done), flush=True)
sys.stdin.readline()
"""


def process(settings: Settings) -> subprocess.Popen[str]:
    """Opens the database at the first line that it is sent, says how often it did an upgrade, and waits."""
    command = [sys.executable, "-c", OPEN]
    environment = os.environ | settings.to_environment()
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = subprocess.Popen(command, env=environment, text=True, **pipes)
    assert started.stdout is not None and started.stdout.readline() == "here\n"
    return started


def go_on(started: subprocess.Popen[str]) -> None:
    assert started.stdin is not None
    started.stdin.write("\n")
    started.stdin.flush()


def opened(settings: Settings, migrations: Path) -> Database:
    with running(migrations):
        return open_database(settings)


def write(database: Database) -> int:
    """Something that a transaction changes and reads back."""
    with database.write() as connection:
        connection.execute(sa.text("UPDATE counters SET value = value + 1 WHERE name = 'catalogue'"))
        return int(
            connection.execute(sa.text("SELECT value FROM counters WHERE name = 'catalogue'")).scalar_one()
        )


def test_one_that_only_adds_runs_beside_the_release_before(engine_settings: Settings, tmp_path: Path) -> None:
    later = later_release(tmp_path / "later", rolls=True)
    old = open_database(engine_settings)
    before = write(old)
    new = opened(engine_settings, later)
    assert (new.revision(), write(new), write(old)) == (NUMBER, before + 1, before + 2)
    old.close()
    old = open_database(engine_settings)  # such as a worker that is replaced
    assert write(old) == before + 3
    assert works(old)
    new.close()
    old.close()


def test_one_that_needs_a_stop_waits_for_the_release_before(
    engine_settings: Settings, tmp_path: Path
) -> None:
    later = later_release(tmp_path / "later", rolls=False)
    old = open_database(engine_settings)
    write(old)
    with pytest.raises(Unavailable, match=rf"has steps \({NUMBER}\) that need the whole"):
        opened(engine_settings, later)
    assert old.revision() == revisions.head_revision()
    write(old)
    old.close()
    new = opened(engine_settings, later)
    assert new.revision() == NUMBER
    with pytest.raises(ConfigurationError, match=r"newer release|does not know"):
        open_database(engine_settings)
    write(new)
    new.close()


def test_who_comes_while_it_runs_waits_and_is_refused(
    engine_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = later_release(tmp_path / "later", rolls=False)
    monkeypatch.setattr("app.storage.presence.PATIENCE", 0.1)
    monkeypatch.setattr("app.storage.postgres.PATIENCE", 0.1)
    seen: list[AppError] = []

    def upgrade(connection: sa.Connection) -> None:
        with running(NOW), pytest.raises(Unavailable, match="being upgraded") as refused:
            open_database(engine_settings)
        seen.append(refused.value)
        revisions.upgrade(connection)

    monkeypatch.setattr("app.storage.upgrades.upgrade", upgrade)
    opened(engine_settings, later).close()
    assert len(seen) == 1


def test_one_that_was_away_during_an_upgrade_does_not_write(
    engine_settings: Settings, tmp_path: Path
) -> None:
    """On SQLite it is not away as long as it lives; on PostgreSQL its connections may all have been lost."""
    later = later_release(tmp_path / "later", rolls=False)
    old = open_database(engine_settings)
    old.engine.dispose()
    try:
        opened(engine_settings, later).close()
    except Unavailable:
        assert not engine_settings.database_url
    else:
        with pytest.raises(ConfigurationError, match="does not know"):
            write(old)
    old.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_of_two_processes_that_come_at_once_one_does_it(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = Settings(data_dir=tmp_path / "data", embedded_worker=False)
    if engine == "postgres":
        server = request.getfixturevalue("postgres")[0]
        settings = Settings(data_dir=tmp_path / "data", database_url=server.url(server.create_database()))
    both = [process(settings) for _ in range(2)]
    for one in both:
        go_on(one)
    assert sorted(one.stdout.readline() for one in both if one.stdout) == ["0\n", "1\n"]
    later = later_release(tmp_path / "later", rolls=False)
    with pytest.raises(Unavailable, match="an older schema is at work"):
        opened(settings, later)
    for one in both:
        one.kill()
        one.communicate()

    def is_open() -> bool:  # the server of PostgreSQL ends the sessions of the killed
        try:
            opened(settings, later).close()
        except Unavailable:
            return False
        return True

    assert poll(is_open)


def test_every_migration_says_whether_it_rolls() -> None:
    scripts = ScriptDirectory(str(revisions.MIGRATIONS)).walk_revisions()
    silent = [
        one.revision
        for one in scripts
        if one.revision > LAST_WITHOUT and not isinstance(getattr(one.module, "rolls", None), bool)
    ]
    assert silent == []


def test_a_revision_that_no_upgrade_has_made_is_not_trusted(engine_settings: Settings) -> None:
    database = open_database(engine_settings)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9002'"))
    assert not works(database)
    database.close()
    with pytest.raises(ConfigurationError, match="newer release: schema 9002"):
        open_database(engine_settings)

"""pgbouncer before PostgreSQL: what pools by transaction is noticed, and tasks run behind it all the same."""

import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from app.checks.data import of_pooler
from app.checks.finding import WARNING
from app.config import Settings
from app.repository import tasks
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database, open_database
from app.tasks.start import start
from app.tasks.worker import Worker
from tests.postgres import UNPRIVILEGED, PostgresServer
from tests.server import free_port, poll

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIGURATION = """
[databases]
* = host={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
unix_socket_dir =
ignore_startup_parameters = extra_float_digits
logfile = {folder}/pgbouncer.log
"""


@pytest.fixture
def pooled(
    request: pytest.FixtureRequest, postgres: tuple[PostgresServer, str], tmp_path: Path
) -> Iterator[Settings]:
    """Settings of a database behind a pooler; the parameter: its mode, and how many sessions it has."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    server, template = postgres
    name, port = server.create_database(template), free_port()
    mode, size = request.param
    folder = tmp_path / "pgbouncer"
    folder.mkdir()
    file = folder / "pgbouncer.ini"
    where = server.url("").partition("host=")[2]
    file.write_text(
        CONFIGURATION.format(server=where, port=port, mode=mode, size=size, folder=folder), encoding="utf-8"
    )
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    if user:
        for path in (folder, file):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)
        for path in folder.parents:  # up to one that everyone may enter
            if path.stat().st_uid == 0 and not path.stat().st_mode & 0o001:
                path.chmod(path.stat().st_mode | 0o001)
    process = subprocess.Popen([PGBOUNCER, "-q", str(file)], user=user, stderr=subprocess.DEVNULL)
    url = f"postgresql://postgres@127.0.0.1:{port}/{name}"
    try:
        poll(lambda: _answers(url))
        yield Settings(tmp_path / "data", database_url=url, embedded_worker=False)
    finally:
        process.terminate()
        process.wait(10)
        server.drop_database(name)


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url):
            return True
    except psycopg.OperationalError:
        return False


@pytest.mark.parametrize(
    ("pooled", "noticed"),
    [(("transaction", 1), True), (("transaction", 5), True), (("session", 20), False)],
    indirect=["pooled"],
)
def test_a_pooler_by_transaction_is_noticed(pooled: Settings, noticed: bool) -> None:
    database = open_database(pooled)
    with database.read() as connection:  # it may have several sessions at hand
        connection.execute(sa.text("SELECT 1"))
    assert database.workers.is_pooled(database) == noticed
    assert [one.state for one in of_pooler(database)] == ([WARNING] if noticed else [])
    database.close()


@pytest.mark.parametrize("pooled", [("transaction", 5)], indirect=True)
def test_tasks_run_behind_it_and_the_log_says_what_is_missing(
    pooled: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(pooled, shutdown_grace=3_600.0)
    database = open_database(settings)
    task = start(database, REBUILD_MODEL)
    worker = Worker(settings, re_exec=lambda: None)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        poll(lambda: _ended(database, task.id), within=60)
        poll(lambda: "gives each transaction another session" in caplog.text)
    finally:
        worker.stop()
        thread.join(30)
        database.close()
    assert not thread.is_alive()


def _ended(database: Database, task_id: str) -> bool:
    with database.read() as connection:
        task = tasks.get(connection, task_id)
    return task is not None and task.ended


def test_a_database_without_a_pooler_is_what_it_seems(database: Database) -> None:
    assert not database.workers.is_pooled(database)
    assert list(of_pooler(database)) == []

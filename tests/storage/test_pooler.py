"""pgbouncer before PostgreSQL: what pools by transaction is noticed."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from app.checks.data import of_pooler
from app.checks.finding import WARNING
from app.config import Settings
from app.storage import Database, open_database
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
    folder = Path(tempfile.mkdtemp(prefix="matinee-pooler-"))
    file, user = folder / "pgbouncer.ini", UNPRIVILEGED if os.geteuid() == 0 else None
    where = server.url("").partition("host=")[2]
    text = CONFIGURATION.format(server=where, port=port, mode=mode, size=size, folder=folder)
    file.write_text(text, encoding="utf-8")
    if user:  # as which it runs: root is refused
        for path in (folder, file):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)
    process = subprocess.Popen([PGBOUNCER, "-q", str(file)], user=user, stderr=subprocess.DEVNULL)
    url = f"postgresql://postgres@127.0.0.1:{port}/{name}"
    try:
        poll(lambda: _answers(url))
        yield Settings(tmp_path / "data", database_url=url, embedded_worker=False)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)
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
def test_the_log_says_so_and_no_wake_up_is_waited_for(
    pooled: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    database = open_database(pooled)
    database.workers.listen(database, lambda: None, threading.Event())  # returns
    assert "gives each transaction another session" in caplog.text
    database.close()


def test_a_database_without_a_pooler_is_what_it_seems(database: Database) -> None:
    assert not database.workers.is_pooled(database)
    assert list(of_pooler(database)) == []

"""Workers on PostgreSQL: any number of them, on any number of machines."""

import contextlib
import itertools
import logging
import os
import re
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from app import process
from app.storage.locks import try_lock
from app.storage.workers import RUNNER, Workers

if TYPE_CHECKING:
    from app.storage.database import Database

CHANNEL = "matinee_tasks"
SLICE = 1.0
"""Seconds that a listener waits before it looks whether it is to end."""
PROBE_AFTER = 10
"""Slices without any notification after which a listener sends one to itself."""
RECONNECT = 2.0
"""Seconds before another session is tried after one was lost."""
APPLICATION = "matinee worker "
"""What the name of a worker's sessions begins with; the server cuts names to 63 bytes."""
POOLED = (
    "A pooler between here and PostgreSQL gives each transaction another session. Tasks are found by looking "
    "every second only, and statements that a session has prepared may fail. Set MATINEE_DATABASE_URL to the "
    "server itself, or the pooler to pool by session."
)

log = logging.getLogger("matinee.storage")


class PostgresWorkers(Workers):
    """A worker holds a file lock of its own, which shows others on this machine that its process lives.

    Who works on what is said by the leases of the tasks; no lock of the database lasts longer than a
    transaction.
    """

    many: ClassVar[bool] = True
    idle: ClassVar[float] = 1.0
    watch: ClassVar[float] = 0.5

    @staticmethod
    def place(name: str, worker: str) -> str:
        return f"{name}@{worker}"

    @contextmanager
    def at_work(self, database: "Database", name: str, worker: str) -> Iterator[Path]:
        path, held = _own(database, self.place(name, worker))
        try:
            if database.heartbeat is None:
                yield path
            else:
                with database.heartbeat.beside(path):
                    yield path
        finally:
            _remove(path)
            os.close(held)

    def left(self, database: "Database") -> Collection[str] | None:
        directory = database.lock_file(RUNNER).parent
        gone = set()
        for path in directory.glob("*@*.lock"):
            held = try_lock(path)
            if held is not None:
                if found := re.fullmatch(rf"{RUNNER}@(.+?)(~\d+)?\.lock", path.name):
                    gone.add(found[1])
                _remove(path)
                os.close(held)
        return gone

    def locks(self, directory: Path, name: str) -> list[Path]:
        return sorted(directory.glob(f"{name}@*.lock"))

    def now(self) -> sa.ColumnElement[float]:
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)

    def end_if_idle(self, connection: Connection, seconds: float) -> None:
        value = str(max(1, round(1000 * seconds)))
        connection.execute(
            sa.select(sa.func.set_config("idle_in_transaction_session_timeout", value, True))
        ).close()

    def announce(self, connection: Connection) -> None:
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))

    def listen(self, database: "Database", heard: Callable[[], None], closing: threading.Event) -> None:
        while not closing.is_set():
            try:
                if self.is_pooled(database):
                    log.warning(POOLED)
                    return
                with _session(database) as connection:
                    _listen(connection, heard, closing)
            except (SQLAlchemyError, psycopg.Error) as error:
                log.warning("no wake-ups come from PostgreSQL until it is reached again: %s", _first(error))
                heard()  # what was announced meanwhile
                closing.wait(RECONNECT)

    def end_sessions(self, database: "Database", worker: str, seconds: float) -> int:
        text = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = :name"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
            " AND xact_start < clock_timestamp() - make_interval(secs => :seconds)"
        )
        with database.read() as connection:
            values = {"name": application_name(worker), "seconds": seconds}
            return int(connection.execute(sa.text(text), values).scalar_one())

    def connected(self, database: "Database") -> list[str]:
        text = (
            "SELECT DISTINCT application_name FROM pg_stat_activity"
            " WHERE starts_with(application_name, :begins) AND datname = current_database() ORDER BY 1"
        )
        with database.read() as connection:
            found = connection.execute(sa.text(text), {"begins": APPLICATION}).scalars()
            return [name.removeprefix(APPLICATION) for name in found]

    def is_pooled(self, database: "Database") -> bool:
        """By two sessions: while one is in a transaction, the other one has to keep its server process."""
        with _session(database) as one, _session(database) as other:
            first = _server_process(one)
            other.exec_driver_sql("BEGIN")
            try:
                return _server_process(other) == first or _server_process(one) != first
            finally:
                other.exec_driver_sql("ROLLBACK")


def application_name(worker: str = "") -> str:
    """What the sessions of a worker, this process without a name, are called on the server."""
    return (APPLICATION + (worker or process.worker_name()))[:63]


def _own(database: "Database", place: str) -> tuple[Path, int]:
    """A file of the place and the descriptor that holds it; another one where a name is in use twice.

    That may be where two containers share a folder and a host name.
    """
    for number in itertools.count():
        path = database.lock_file(f"{place}~{number}" if number else place)
        held = try_lock(path)
        if held is not None:
            return path, held
    raise AssertionError


def _remove(lock: Path) -> None:
    for path in (lock, lock.with_suffix(".beat")):
        path.unlink(missing_ok=True)


@contextmanager
def _session(database: "Database") -> Iterator[Connection]:
    """A session outside of transactions, which is closed after this."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            yield connection
        finally:
            with contextlib.suppress(SQLAlchemyError):
                connection.invalidate()


def _server_process(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def _listen(connection: Connection, heard: Callable[[], None], closing: threading.Event) -> None:
    """Until `closing`. Raises the driver's error when the session is lost, or no longer tells anything."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"LISTEN {CHANNEL}")
    heard()
    silent = 0
    while not closing.is_set():
        notes = list(driver.notifies(timeout=SLICE, stop_after=1))
        silent = 0 if notes else silent + 1
        if any(not note.payload for note in notes):
            heard()
        if silent == PROBE_AFTER:
            driver.execute("SELECT pg_notify(%s, 'probe')", (CHANNEL,))
        elif silent >= 2 * PROBE_AFTER:
            raise psycopg.OperationalError("a session hears nothing of what it announces itself")


def _first(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]

"""SQLite: pragmas, turn-taking, locks."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.bulk import detach_images
from app.storage.database import Database
from app.storage.locks import Turns, file_lock
from app.storage.private import close

CHECKPOINT_ROWS, FEW_ROWS = 200_000, 20_000
"""Changed rows after which the log is moved into the database; few while others write, who share the disk."""
LEAST_ROWS = 1_000
"""Rows for which a transaction counts at least: one that changes few may still change a page for each."""
LATELY = 10.0
"""Seconds."""
LONGEST_LOG = 8000
"""Pages of the log after which even a commit does that."""


class SQLiteDatabase(Database):
    """One file beside its write-ahead log. `durable` commits survive a power cut (synchronous=FULL)."""

    def __init__(self, url: str, *, durable: bool = True) -> None:
        self._durable = durable
        self._changes = 0  # ever, of the one connection that a worker writes with
        self._logged = 0  # rows since the log was moved into the database
        self._wanted_at = float("-inf")
        self._file = Path(sa.make_url(url).database or "").absolute()
        self._log = self._file.with_name(f"{self._file.name}-wal")
        self._directory = self._file.parent
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._file.exists():
            self._file.touch(0o600)  # SQLite gives its log the mode of the database
        for path in (self._file, self._log, self._file.with_name(f"{self._file.name}-shm")):
            if path.is_file():
                close(path)
        self._turns = Turns(self._directory)
        self.engine = sa.create_engine(
            url,
            pool_size=8,
            max_overflow=64,
            hide_parameters=True,
            connect_args={"check_same_thread": False},
        )
        sa.event.listen(self.engine, "connect", self._connected)
        sa.event.listen(self.engine, "begin", _begin)

    def _connected(self, connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late; ours is in _begin
        for pragma in (
            "busy_timeout=10000",
            "journal_mode=WAL",
            f"synchronous={'FULL' if self._durable else 'NORMAL'}",
            "foreign_keys=ON",
            "cache_size=-16000",
            f"wal_autocheckpoint={LONGEST_LOG}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self.engine.connect().execution_options(sqlite_immediate=True) as connection:
            detach_images(connection)
            with self._turns.take():
                with connection.begin():
                    yield connection
                wanted = not self._durable and self.is_wanted()
            if not self._durable:
                self._tidy(connection, wanted)

    def _tidy(self, connection: Connection, wanted: bool) -> None:
        """Send the log to the disk, and into the database once it has grown: while others have their turn.

        Else the next one to commit durably would wait for all of it, and SQLite by itself would move it
        within somebody's commit. `wanted`: somebody who waited has begun, and will soon be at the disk.
        """
        driver: Any = connection.connection.driver_connection
        changed, self._changes = driver.total_changes - self._changes, driver.total_changes
        if changed:
            self._logged += max(changed, LEAST_ROWS)
        if self._logged >= (FEW_ROWS if self.was_wanted() else CHECKPOINT_ROWS) * (2 if wanted else 1):
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._logged = 0
        elif changed and not wanted and self.was_wanted():
            _sync(self._log)

    def is_wanted(self) -> bool:
        wanted = self._turns.is_wanted()
        if wanted:
            self._wanted_at = time.monotonic()
        return wanted

    def was_wanted(self) -> bool:
        return time.monotonic() - self._wanted_at < LATELY

    def size(self) -> int:
        total = 0
        for file in (self._file, self._log):
            with suppress(FileNotFoundError):  # the log goes when the last connection is closed
                total += file.stat().st_size
        return total

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        with file_lock(self._directory / f"{name}.lock"):
            yield


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("sqlite_immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

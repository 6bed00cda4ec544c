"""SQLite: pragmas, turn-taking, locks."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Transaction
from sqlalchemy.exc import OperationalError

from app.errors import AppError
from app.storage.bulk import detach_images
from app.storage.database import PATIENCE, Database
from app.storage.heartbeat import Heartbeat
from app.storage.locks import WriteLock, file_lock, locked
from app.storage.private import close

CHECKPOINT_ROWS, FEW_ROWS = 200_000, 20_000
"""Changed rows after which the log is moved into the database; few while others write, who share the disk."""
LEAST_ROWS = 1_000
"""Rows for which a transaction counts at least: one that changes few may still change a page for each."""
LATELY = 10.0
"""Seconds."""
LONGEST_LOG = 8000
"""Pages of the log after which even a commit does that."""
BUSY_MS = int(PATIENCE * 1000)
"""Milliseconds that SQLite waits for its own locks. A worker tries again after them."""
BEAT_STEPS = 1_000_000
"""Steps of SQLite's machine between two beats within a statement: some ten milliseconds."""

log = logging.getLogger("matinee.storage")


class SQLiteDatabase(Database):
    """One file beside its write-ahead log. `durable` commits survive a power cut (synchronous=FULL).

    One that is not durable is a worker's: all its writes go through one connection, whose cache holds what
    it wrote last.
    """

    def __init__(self, url: str, *, durable: bool = True, heartbeat: Heartbeat | None = None) -> None:
        self.heartbeat = heartbeat
        self._durable = durable
        self._logged = 0  # rows since the log was moved into the database
        self._waited_for_at = float("-inf")
        self._file = Path(sa.make_url(url).database or "").absolute()
        self._log = self._file.with_name(f"{self._file.name}-wal")
        self._directory = self._file.parent
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._file.exists():
            self._file.touch(0o600)  # SQLite gives its log the mode of the database
        for path in (self._file, self._log, self._file.with_name(f"{self._file.name}-shm")):
            if path.is_file():
                close(path)
        self._write_lock = WriteLock(self._directory)
        self._writing = threading.Lock()
        self._writer: Connection | None = None
        self.engine = sa.create_engine(
            url,
            pool_size=8,
            max_overflow=64,
            hide_parameters=True,
            pool_timeout=PATIENCE,
            connect_args={"check_same_thread": False, "timeout": PATIENCE},
        )
        sa.event.listen(self.engine, "connect", self._connected)
        sa.event.listen(self.engine, "begin", self._begin)

    def _connected(self, connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late; ours is in _begin
        if self.heartbeat is not None:
            connection.set_progress_handler(self.heartbeat.beat, BEAT_STEPS)
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            f"synchronous={'FULL' if self._durable else 'NORMAL'}",
            "foreign_keys=ON",
            "cache_size=-16000",
            f"wal_autocheckpoint={LONGEST_LOG}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    def _begin(self, connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("sqlite_immediate"):
            connection.exec_driver_sql("BEGIN")
            return
        waited = time.monotonic()
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except OperationalError as error:
                if self.heartbeat is None or not _is_busy(error.orig):
                    raise
                self.beat()
            log.warning("another program has kept the database for %.0f s", time.monotonic() - waited)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        deadline = time.monotonic() + self.patience
        self.beat()
        with self._translated(), self._connection(deadline) as connection:
            detach_images(connection)
            driver: Any = connection.connection.driver_connection
            before = driver.total_changes
            with self._write_lock.hold(deadline, self.beat):
                with _waiting_at_most(driver, deadline - time.monotonic()):
                    transaction = connection.begin()
                with self._ended(transaction, driver):
                    yield connection
                wanted = not self._durable and self.has_waiters()
            if not self._durable:
                with self.busy():
                    self._tidy(driver, driver.total_changes - before, wanted)
        self.beat()

    @contextmanager
    def _connection(self, deadline: float) -> Iterator[Connection]:
        """A connection to write with: a worker's own, or one of the pool."""
        if self._durable:
            with self.engine.connect() as connection:
                yield connection.execution_options(sqlite_immediate=True)
            return
        if not self._writing.acquire(timeout=min(deadline - time.monotonic(), threading.TIMEOUT_MAX)):
            raise locked()
        try:
            if self._writer is None:
                self._writer = self.engine.connect().execution_options(sqlite_immediate=True)
            yield self._writer
        finally:
            self._writing.release()

    @contextmanager
    def _ended(self, transaction: Transaction, driver: Any) -> Iterator[None]:
        """Commit at the end, or roll back: a step that only the disk holds up."""
        try:
            yield
            with self.busy():
                transaction.commit()
        except BaseException:
            transaction.rollback()
            if driver.in_transaction:  # SQLite keeps one open whose COMMIT failed
                driver.execute("ROLLBACK")
            raise

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        super().close()

    def _tidy(self, driver: Any, changed: int, wanted: bool) -> None:
        """Send the log to the disk, and into the database once it has grown: while others have their turn.

        Else the next one to commit durably would wait for all of it, and SQLite by itself would move it
        within somebody's commit. `changed`: rows of the transaction. `wanted`: somebody who waited has
        begun, and will soon be at the disk.
        """
        if changed:
            self._logged += max(changed, LEAST_ROWS)
        if self._logged >= (FEW_ROWS if self.had_waiters() else CHECKPOINT_ROWS) * (2 if wanted else 1):
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._logged = 0
        elif changed and not wanted and self.had_waiters():
            _sync(self._log)

    def has_waiters(self) -> bool:
        wanted = self._write_lock.has_waiters()
        if wanted:
            self._waited_for_at = time.monotonic()
        return wanted

    def had_waiters(self) -> bool:
        return time.monotonic() - self._waited_for_at < LATELY

    def size(self) -> int:
        total = 0
        for file in (self._file, self._log):
            with suppress(FileNotFoundError):  # the log goes when the last connection is closed
                total += file.stat().st_size
        return total

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        with file_lock(self.lock_file(name), self.patience):
            yield

    def lock_file(self, name: str) -> Path:
        return self._directory / f"{name}.lock"

    def _meaning(self, error: BaseException, _lost: bool) -> AppError | None:
        return locked() if _is_busy(error) else None


@contextmanager
def _waiting_at_most(driver: Any, seconds: float) -> Iterator[None]:
    """Within it SQLite waits so long for its own lock, where that is shorter than ever."""
    short = max(0, int(seconds * 1000)) if seconds < PATIENCE * 0.9 else None
    if short is not None:
        driver.execute(f"PRAGMA busy_timeout={short}")
    try:
        yield
    finally:
        if short is not None:
            driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def _is_busy(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return isinstance(error, sqlite3.OperationalError) and code & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)

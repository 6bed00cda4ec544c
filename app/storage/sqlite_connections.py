"""Single connections of SQLite: their transactions, waits and errors."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection

from app.storage.database import PATIENCE

BUSY_MS = int(PATIENCE * 1000)
"""Milliseconds that SQLite waits for its own locks; a worker then tries again."""
CACHE_KB, MOST_CACHE_KB = 2_000, 16_000
"""Pages kept by each of the server's dozen connections, and by one that most of the work goes through."""
LONGEST_WAL = 8000
"""Pages of the WAL after which even a commit checkpoints it."""


def code_of(error: BaseException | None) -> int:
    """The primary code of an error of SQLite, 0 of another."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def use_wal(driver: sqlite3.Connection) -> None:
    """Turn on the WAL. Of several that do so to a new file, SQLite refuses all but one without a wait."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            driver.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def prepare(driver: sqlite3.Connection, *, durable: bool) -> None:
    """Set up a new connection; one that is not durable is a worker's only one."""
    for pragma in (
        f"busy_timeout={BUSY_MS}",
        f"synchronous={'FULL' if durable else 'NORMAL'}",
        "foreign_keys=ON",
        f"cache_size=-{CACHE_KB if durable else MOST_CACHE_KB}",
        f"wal_autocheckpoint={LONGEST_WAL}",
        "secure_delete=ON",  # what is deleted is overwritten: forgetting a person is provable
    ):
        driver.execute(f"PRAGMA {pragma}")
    use_wal(driver)


def begin_reading(connection: Connection) -> Any:
    """Begin a transaction of the driver, unless one is open; returns the driver's connection."""
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:
        driver.execute("BEGIN")
    return driver


@contextmanager
def waiting_at_most(driver: Any, seconds: float) -> Iterator[None]:
    """Within it SQLite waits so long at most for its own lock, if that is shorter than it does by default."""
    if seconds >= PATIENCE * 0.9:
        yield
        return
    driver.execute(f"PRAGMA busy_timeout={max(0, int(seconds * 1000))}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def is_busy(error: BaseException | None) -> bool:
    """Whether another connection holds what was asked for."""
    return code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

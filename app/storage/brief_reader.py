"""The connection by which the event loop reads: it waits for nothing, and ends what takes long."""

import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from app import brief
from app.storage.sqlite_connections import MOST_CACHE_KB, begin_reading, code_of

STEPS = 25_000
"""Steps of SQLite's virtual machine between two looks at how long a reading takes, half a millisecond. SQLite
counts those of a statement over all its runs: the first look of a reading may come at any moment."""
LOOKS = 2
"""The look at which what reads goes on in a thread."""
_WAITS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT)


class BriefReader:
    """Keeps one connection, opened at its first use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._looks: float = 0  # that are left
        self._in_use = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The connection in a transaction: the driver's own, which costs a fifth of SQLAlchemy's.

        Raises `TooLong`, also where a query within would have to wait, or takes long.
        """
        if not self._in_use.acquire(blocking=False):  # by the event loop of another thread
            raise brief.TooLong
        driver: Any = None
        try:
            connection = self._connection or self._open()
            self._looks = LOOKS
            driver = begin_reading(connection)
            yield connection
        except (OperationalError, sqlite3.OperationalError) as error:
            if code_of(getattr(error, "orig", error)) in _WAITS:
                raise brief.TooLong from None
            raise
        finally:
            try:
                self._end(driver)
            finally:
                self._in_use.release()

    def _end(self, driver: Any) -> None:
        self._looks = math.inf  # a rollback is not to be interrupted
        if self._connection is not None and self._connection.in_transaction():
            self._connection.rollback()
        if driver is not None and driver.in_transaction:
            driver.execute("ROLLBACK")

    def _takes_long(self) -> bool:
        """Asked by SQLite: whether to interrupt the statement."""
        self._looks -= 1
        return self._looks <= 0

    def _open(self) -> Connection:
        self._connection = connection = self._engine.connect()
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA busy_timeout=0")
        driver.execute(f"PRAGMA cache_size=-{MOST_CACHE_KB}")
        driver.set_progress_handler(self._takes_long, STEPS)
        return connection

    def close(self) -> None:
        with self._in_use:
            if self._connection is not None:
                self._connection.invalidate()  # no other may have it from the pool
                self._connection.close()
                self._connection = None

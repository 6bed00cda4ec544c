"""SQLite: pragmas, the write lock, ratings as images, checkpoints of the WAL."""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Engine, Transaction
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from app import brief, traces
from app.arrays import Integers, Mask
from app.config import Settings
from app.errors import AppError, Unavailable
from app.rating import RatingColumns
from app.storage import attached, sqlite_copies, title_terms
from app.storage.brief_reader import BriefReader
from app.storage.brief_writer import BriefWriter
from app.storage.database import LATELY, PATIENCE, Database, Found
from app.storage.failures import damage_of
from app.storage.files import size_of, sync_content
from app.storage.heartbeat import Heartbeat
from app.storage.locks import WriteLock, file_lock, locked
from app.storage.preconditions import begin
from app.storage.presence import FilePresence
from app.storage.private import close
from app.storage.sqlite_connections import begin_reading, is_busy, prepare, waiting_at_most
from app.storage.sqlite_copies import SQLiteCopies, file_of
from app.storage.workers import Workers

CHECKPOINT_ROWS, FEW_ROWS = 200_000, 20_000
"""Changed rows after which a worker checkpoints the WAL; few while others write, who share the disk."""
LEAST_ROWS = 1_000
"""Rows that a transaction counts as at least: each row that it changes may change a page of its own."""
MOST_REWRITTEN = 128 << 20
"""Bytes of a database that `scrub` rewrites, in a second; other writers wait meanwhile."""
BEAT_STEPS = 1_000_000
"""Steps of SQLite's virtual machine between two beats within a statement: some ten milliseconds."""

log = logging.getLogger("matinee.storage")


class SQLiteDatabase(Database):
    """One file and its write-ahead log (WAL). `durable` commits survive a power cut (synchronous=FULL).

    A worker's is not durable, and writes through one connection only, whose cache holds what it wrote last.
    """

    titles = title_terms.SQLiteTitleTerms()
    copies = SQLiteCopies()
    workers = Workers()
    values_at_once = 900
    """By default a statement takes 32,766 parameters, before version 3.32 it took 999."""

    def __init__(
        self, settings: Settings, *, durable: bool = True, heartbeat: Heartbeat | None = None
    ) -> None:
        super().__init__(settings, durable=durable, heartbeat=heartbeat)
        self._wal_rows = 0  # changed since the WAL was checkpointed
        self._waited_for_at = float("-inf")
        self._file = file_of(settings)
        self._wal = self._file.with_name(f"{self._file.name}-wal")
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._file.exists():
            self._file.touch(0o600)  # SQLite gives its WAL the mode of the database
        for path in (self._file, self._wal, self._file.with_name(f"{self._file.name}-shm")):
            if path.is_file():
                close(path)
        self._write_lock = WriteLock(self._directory)
        self._writing = threading.Lock()
        self._writer: Connection | None = None
        self._brief_reader = BriefReader(self.engine)
        self._brief_writer = BriefWriter(self.engine, self._write_lock)

    def _create_engine(self, settings: Settings) -> Engine:
        engine = sa.create_engine(
            settings.url,
            pool_size=8,
            max_overflow=64,
            hide_parameters=True,
            pool_timeout=PATIENCE,
            connect_args={"check_same_thread": False, "timeout": PATIENCE},
        )
        sa.event.listen(engine, "connect", self._connected)
        sa.event.listen(engine, "begin", self._begin)
        return engine

    def _create_presence(self) -> FilePresence:
        return FilePresence(self._directory)

    @staticmethod
    def lock_directory(settings: Settings) -> Path:
        return file_of(settings).parent

    @staticmethod
    def advice(reason: str, url: sa.URL) -> str:
        advice = "Make its folder writable for this user, or set MATINEE_DATA_DIR to another one."
        if "not a database" in reason:
            advice = "Put it back from a backup or move it away, or set MATINEE_DATA_DIR to another folder."
        return f"The database {url.database} cannot be opened: {reason}. {advice}"

    def _connected(self, connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late; ours is in _begin
        if self.heartbeat is not None:
            connection.set_progress_handler(self.heartbeat.beat, BEAT_STEPS)
        prepare(connection, durable=self._durable)

    def _begin(self, connection: Connection) -> None:
        if not connection.get_execution_options().get("sqlite_immediate"):
            begin_reading(connection)
            return
        waited = time.monotonic()
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except OperationalError as error:
                if self.heartbeat is None or not is_busy(error.orig):
                    raise
                self.beat()
            log.warning("another program has kept the database for %.0f s", time.monotonic() - waited)

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._brief_reader.reading() if brief.is_asked() else super()._reading()

    async def write_briefly(self, work: Callable[[Connection], Found]) -> Found:
        with traces.span("database.write"):
            found: Found = await self._brief_writer.run(work)
        return found

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        deadline = time.monotonic() + self.patience
        self.beat()
        with self._translated(), self._connection(deadline) as connection:
            driver: Any = connection.connection.driver_connection
            attached.detach(connection)
            before = driver.total_changes
            with self._write_lock.hold(deadline, self.beat):
                with waiting_at_most(driver, deadline - time.monotonic()):
                    transaction = connection.begin()
                with self._ended(transaction, driver):
                    begin(connection)
                    yield connection
                waited_for = not self._durable and self.has_waiters()
            if not self._durable:
                with self.busy():
                    self._checkpoint(driver, driver.total_changes - before, waited_for)
        self.beat()

    @contextmanager
    def _connection(self, deadline: float) -> Iterator[Connection]:
        """A connection to write with: a worker's only one, or one of the pool."""
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
        """Commit at the end, or roll back on any error. A commit counts as busy: it waits for the disk."""
        try:
            yield
            with self.busy():
                transaction.commit()
        except BaseException:
            transaction.rollback()
            if driver.in_transaction:  # SQLite keeps one open whose COMMIT failed
                driver.execute("ROLLBACK")
            raise

    def _checkpoint(self, driver: Any, changed: int, waited_for: bool) -> None:
        """Sync the WAL, or checkpoint it once it has grown, after the write lock is given back.

        Else the next durable commit would have to wait for all of it, and SQLite by itself would checkpoint
        within a commit of a request. `changed`: rows of the transaction. `waited_for`: a writer that waited
        has begun, and will soon be at the disk: then a sync is left out, and a checkpoint comes later.
        """
        if changed:
            self._wal_rows += max(changed, LEAST_ROWS)
        most = FEW_ROWS if self.had_waiters() else CHECKPOINT_ROWS
        if self._wal_rows >= most * (2 if waited_for else 1):
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._wal_rows = 0
        elif changed and not waited_for and self.had_waiters():
            sync_content(self._wal)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._brief_writer.close()
        self._brief_reader.close()
        super().close()

    def has_waiters(self) -> bool:
        if found := self._write_lock.has_waiters():
            self._waited_for_at = time.monotonic()
        return found

    def had_waiters(self) -> bool:
        return time.monotonic() - self._waited_for_at < LATELY

    @staticmethod
    def insert(table: sa.Table) -> sqlite.Insert:
        return sqlite.insert(table)

    @staticmethod
    def is_listed(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        return column.in_(sa.select(sa.func.json_each(sa.bindparam("listed")).table_valued("value").c.value))

    @staticmethod
    def listed(ids: Iterable[int]) -> Any:
        return json.dumps(list(ids))

    @staticmethod
    def ordered(aggregate: Any, by: sa.Column[Any]) -> Any:  # noqa: ARG004
        """As it is: a table WITHOUT ROWID is read in the order of its key."""
        return aggregate

    def serialize(self, connection: Connection, name: str) -> None:
        """Nothing is to be done: a transaction that writes is alone from its start."""

    def lock_ratings(self, connection: Connection, user_id: Integers | None = None) -> None:
        """Nothing is to be done: a transaction that writes is alone from its start."""

    def join_ratings(self, connection: Connection, user_id: int | None = None) -> None:
        """Nothing is to be done, as for `lock_ratings`."""

    def unbounded(self, connection: Connection) -> None:
        """Nothing is to be done: statements have no limit."""

    @staticmethod
    def pairs() -> sa.FromClause:
        each = sa.func.json_each(sa.bindparam("pairs")).table_valued("value")
        names = ("user_id", "movie_id")
        columns = (sa.func.json_extract(each.c.value, f"$[{n}]").label(name) for n, name in enumerate(names))
        return sa.select(*columns).select_from(each).subquery("given")

    @staticmethod
    def pairs_of(user_id: Integers, movie_id: Integers) -> dict[str, Any]:
        return {"pairs": json.dumps(np.stack([user_id, movie_id], 1).tolist())}

    def put_ratings(
        self,
        connection: Connection,
        columns: RatingColumns,
        is_new: Mask | None = None,  # noqa: ARG002
    ) -> None:
        into = "ratings (user_id, movie_id, score, rated_at, import_seq)"
        attached.put(connection, columns, f"INSERT OR REPLACE INTO {into} SELECT {attached.COLUMNS}")

    def delete_ratings(self, connection: Connection, user_id: Integers, movie_id: Integers) -> None:
        attached.delete(connection, user_id, movie_id)

    def put_before_images(self, connection: Connection, columns: RatingColumns, import_seq: int) -> None:
        into = "rating_before_images (user_id, movie_id, score, rated_at, before_seq, import_seq)"
        attached.put(connection, columns, f"INSERT INTO {into} SELECT {attached.COLUMNS}, {int(import_seq)}")

    def has_room(self, connection: Connection) -> bool:
        return attached.has_room(connection)

    def scrub(self) -> str | None:
        is_small = self.size() <= MOST_REWRITTEN
        try:
            is_read = self.rewrite(is_whole=is_small)
        except (Unavailable, sqlite3.OperationalError, NoFreeConnection) as error:
            log.warning("the database was not rewritten: %s", error)
            is_read = True
        if is_read:
            return "Others were at the database: pages in its write-ahead log are left until later changes."
        return None if is_small else "The database is large: copies of moved rows are left until a VACUUM."

    def rewrite(self, *, is_whole: bool) -> bool:
        """Empty the WAL, after a VACUUM if `is_whole`; returns whether a reader kept it from that."""
        with self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with self._write_lock.hold(time.monotonic() + PATIENCE, self.beat):
                if is_whole:
                    driver.execute("VACUUM")
                return bool(driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])

    def damage(self, seconds: float) -> str | None:
        return sqlite_copies.damage(self._file, seconds)

    @staticmethod
    def exists(settings: Settings) -> bool:
        return file_of(settings).is_file()

    def size(self) -> int:
        return size_of(self._file) + size_of(self._wal)

    def size_of_wal(self) -> int:
        return size_of(self._wal)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        with file_lock(self.lock_file(name), self.patience):
            yield

    def _meaning(self, error: BaseException, _lost: bool) -> AppError | None:
        self.damage_met = damage_of(error) or self.damage_met
        return locked() if is_busy(error) else None

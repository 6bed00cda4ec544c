"""PostgreSQL, by psycopg 3: locks are advisory ones, and only writers of ratings in bulk need one of all."""

import contextlib
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Engine

from app import brief
from app.arrays import Integers, Mask
from app.config import Settings
from app.errors import AppError
from app.rating import RatingColumns
from app.storage import postgres_connections, postgres_ratings
from app.storage.database import LATELY, PATIENCE, Database
from app.storage.failures import Collision, unavailable
from app.storage.heartbeat import Heartbeat
from app.storage.locks import locked
from app.storage.postgres_copies import PostgresCopies
from app.storage.postgres_presence import AdvisoryPresence
from app.storage.postgres_workers import PostgresWorkers, application_name
from app.storage.preconditions import begin
from app.storage.ratings_in_bulk import MOST, RatingsOfUsers
from app.storage.title_terms import PostgresTitleTerms

STATEMENT_SECONDS = 30
"""The longest statement of a request; one that reads much does so in parts."""
CONNECTIONS = 40
"""Of a process at most: one a thread."""
FEW_CONNECTIONS = 2
"""Kept open by a worker: what it holds, and what it works with. A process with an API keeps all that it has
needed at once: to open one takes longer than most requests, just when there are many."""
_OF_THE_STATEMENT = (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory)
_OF_THE_CONNECTION = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)
USERS = 4_096
"""Locks for the ratings of all users together: the server has room for 6,400 by default."""


class PostgresDatabase(Database):
    """A PostgreSQL database; connections are checked before use, so that a restart of it is survived.

    A read is one snapshot. Every commit is as durable as the server makes it, but for what a worker (not
    `durable`) writes in bulk: of that, a power cut may take the last moment back, with the checkpoint.
    """

    titles = PostgresTitleTerms()
    copies = PostgresCopies()
    workers = PostgresWorkers()
    values_at_once = 10_000
    """A statement takes 65,535 parameters."""
    writers_at_once = 3
    """With 8 threads, which take the interpreter from each other, 16 connections write .85 of the ratings."""
    reads_in_halves = False
    """The server gives what reads all ratings the priority of a request; two of them would slow down all."""
    rows_at_once, range_rows = 512_000, 80_000
    """A COPY of few rows takes longer a row, and no log grows while a transaction lasts."""

    def __init__(
        self, settings: Settings, *, durable: bool = True, heartbeat: Heartbeat | None = None
    ) -> None:
        super().__init__(settings, durable=durable, heartbeat=heartbeat)
        self._reader = self.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._thread = threading.local()  # .writing: the connection of its transaction that writes
        self._waited_for_at = float("-inf")
        self._lasting = "" if durable else ", set_config('synchronous_commit', 'off', true)"

    def _create_engine(self, settings: Settings) -> Engine:
        is_worker = self.heartbeat is not None
        options = postgres_connections.options(sa.make_url(settings.url))
        options["application_name"] = application_name() if is_worker else "matinee"
        engine = sa.create_engine(
            settings.url,
            pool_size=FEW_CONNECTIONS if is_worker else CONNECTIONS,
            max_overflow=CONNECTIONS - FEW_CONNECTIONS if is_worker else 0,
            pool_timeout=PATIENCE,
            hide_parameters=True,
            connect_args=options,
        )
        if self.heartbeat is not None:
            sa.event.listen(engine, "do_connect", postgres_connections.beating(self.heartbeat))
        limits = (0, 0) if is_worker else (PATIENCE, STATEMENT_SECONDS)
        sa.event.listen(
            engine, "connect", lambda connection, _: postgres_connections.prepare(connection, *limits)
        )
        sa.event.listen(engine, "checkout", postgres_connections.refuse_ended)
        sa.event.listen(engine, "after_cursor_execute", postgres_connections.leave_pipeline)
        return engine

    def _create_presence(self) -> AdvisoryPresence:
        return AdvisoryPresence(self.engine)

    @staticmethod
    def lock_directory(settings: Settings) -> Path:
        return settings.data_dir.absolute()

    @staticmethod
    def advice(reason: str, url: sa.URL) -> str:
        return postgres_connections.advice(reason, url)

    def _reading(self) -> AbstractContextManager[Connection]:
        brief.leave()  # to a server and back
        return self._reader.begin()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        self.beat()
        with self._translated(), self.engine.begin() as connection:
            before, self._thread.writing = getattr(self._thread, "writing", None), connection
            try:
                begin(connection)
                yield connection
            finally:
                self._thread.writing = before
        self.beat()

    def has_waiters(self) -> bool:
        """Whether another session waits for a lock that the transaction of this thread holds.

        One that writes a rating at this moment counts as one that has waited: the next may have to.
        """
        connection = getattr(self._thread, "writing", None)
        if connection is None:
            return False
        is_waiting, is_writing = connection.exec_driver_sql(_OTHERS).one()
        if is_waiting or is_writing:
            self._waited_for_at = time.monotonic()
        return bool(is_waiting)

    def had_waiters(self) -> bool:
        return time.monotonic() - self._waited_for_at < LATELY

    @staticmethod
    def insert(table: sa.Table) -> postgresql.Insert:
        return postgresql.insert(table)

    @staticmethod
    def is_listed(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        return column == sa.any_(sa.bindparam("listed", type_=postgresql.ARRAY(sa.BigInteger)))

    @staticmethod
    def listed(ids: Iterable[int]) -> Any:
        return list(ids)

    @staticmethod
    def ordered(aggregate: Any, by: sa.Column[Any]) -> Any:
        return aggregate.aggregate_order_by(by)

    @staticmethod
    def together(connection: Connection) -> AbstractContextManager[Any]:
        return _driver(connection).pipeline()

    def serialize(self, connection: Connection, name: str) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number(name))))

    def lock_ratings(self, connection: Connection, user_id: Integers | None = None) -> None:
        if user_id is None:
            connection.exec_driver_sql(f"{_LOCK_ALL}{self._lasting}")
        else:
            users = user_id[np.diff(user_id, prepend=-1) != 0]  # they mostly come sorted
            locks = np.unique(users % USERS).tolist()
            connection.exec_driver_sql(f"{_LOCK_USERS}{self._lasting} {_OF_USERS}", (locks,))

    def join_ratings(self, connection: Connection, user_id: int | None = None) -> None:
        if user_id is None:
            connection.exec_driver_sql(_JOIN_ALL)
        else:
            _driver(connection).execute(_JOIN_USER, (user_id % USERS,))

    def unbounded(self, connection: Connection) -> None:
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))

    @staticmethod
    def pairs() -> sa.FromClause:
        array = postgresql.ARRAY(sa.BigInteger)
        given = sa.func.unnest(sa.bindparam("users", type_=array), sa.bindparam("movies", type_=array))
        columns = (sa.column("user_id", sa.BigInteger), sa.column("movie_id", sa.BigInteger))
        return given.table_valued(*columns, name="given").render_derived()

    @staticmethod
    def pairs_of(user_id: Integers, movie_id: Integers) -> dict[str, Any]:
        return {"users": user_id.tolist(), "movies": movie_id.tolist()}

    def put_ratings(self, connection: Connection, columns: RatingColumns, is_new: Mask | None = None) -> None:
        if is_new is None:
            postgres_ratings.put(connection, columns)
        else:
            postgres_ratings.copy(connection, columns.take(is_new))
            postgres_ratings.put(connection, columns.take(~is_new))

    def delete_ratings(self, connection: Connection, user_id: Integers, movie_id: Integers) -> None:
        postgres_ratings.delete(connection, user_id, movie_id)

    def put_before_images(self, connection: Connection, columns: RatingColumns, import_seq: int) -> None:
        postgres_ratings.copy_images(connection, columns, import_seq)

    def add_counts(self, connection: Connection, movie_id: Integers, scored: NDArray[np.int32]) -> int:
        if self._lasting:
            connection.exec_driver_sql(f"SELECT 1{self._lasting}")
        return postgres_ratings.add_counts(connection, movie_id, scored)

    def ratings_of_users(
        self, connection: Connection, users: int, first: int = 0, last: int = MOST
    ) -> Iterator[RatingsOfUsers]:
        return postgres_ratings.read(connection, users, first, last)

    def has_room(self, connection: Connection) -> bool:  # noqa: ARG002
        return True

    def scrub(self) -> str | None:
        return "PostgreSQL keeps deleted rows in its files until a VACUUM has passed over them."

    def size(self) -> int:
        query = sa.select(sa.func.pg_database_size(sa.func.current_database()))
        with self.read() as connection:
            return int(connection.execute(query).scalar_one())

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """For as long as a transaction of its own, since a pooler may not keep sessions apart.

        Who must not lose it when that session ends calls `serialize` in what it writes.
        """
        with self.engine.connect() as connection:
            transaction = connection.begin()
            connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            self.serialize(connection, name)
            try:
                yield
            finally:
                with contextlib.suppress(sa.exc.DBAPIError):
                    transaction.rollback()

    def _meaning(self, error: BaseException, _lost: bool) -> AppError | None:
        if isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure):
            return Collision()
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return locked()
        if isinstance(error, psycopg.errors.QueryCanceled):
            return unavailable(f"The database was not done with this within {STATEMENT_SECONDS} s.")
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            self.engine.dispose()  # the next connection may find the server that has taken over
        if isinstance(error, _OF_THE_STATEMENT):
            return None  # `failures` has what to do
        is_lost = _lost or isinstance(error, _OF_THE_CONNECTION)
        return unavailable("The database cannot be reached.") if is_lost else None


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver: Any = connection.connection.driver_connection
    return driver  # type: ignore[no-any-return]


def _lock_number(name: str) -> int:
    """The number that stands for `name` among the advisory locks."""
    return zlib.crc32(name.encode())


# Who writes ratings holds advisory locks: one of the table would wait for a VACUUM of it, and writers for it.
# - bulk: alone, who writes those of any user or movie; shared, who writes in bulk those of some users.
# - single: alone, who writes in bulk those of any user; shared, who writes some of one user.
# - of a user, which others may share: alone, who writes theirs in bulk; shared, who writes some of them.
_BULK, _SINGLE = _lock_number("ratings in bulk"), _lock_number("ratings of one user")
_USER = _lock_number("ratings of users") & 0x7FFFFFFF
_LOCK_ALL = f"SELECT pg_advisory_xact_lock({_BULK}), pg_advisory_xact_lock({_SINGLE})"
_LOCK_USERS = f"SELECT pg_advisory_xact_lock_shared({_BULK}), pg_advisory_xact_lock({_USER}, number)"
_OF_USERS = "FROM unnest(%s::int4[]) AS number"
_JOIN_ALL = f"SELECT pg_advisory_xact_lock({_BULK})"
_JOIN_USER = f"SELECT pg_advisory_xact_lock_shared({_SINGLE}), pg_advisory_xact_lock_shared({_USER}, %s)"
_HERE = "(SELECT oid FROM pg_database WHERE datname = current_database())"
_WRITES = f"granted AND locktype = 'advisory' AND objid = {_SINGLE} AND objsubid = 1 AND mode = 'ShareLock'"
_OTHERS = f"""
    SELECT coalesce(bool_or(NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))), false),
        coalesce(bool_or({_WRITES} AND database = {_HERE}), false)
    FROM pg_locks WHERE pid <> pg_backend_pid()
"""  # noqa: S608

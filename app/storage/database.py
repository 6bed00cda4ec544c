"""One database, whatever the engine: transactions, and the few things in which the engines differ."""

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from app import deadline
from app.errors import AppError, ConfigurationError, Unavailable
from app.storage.heartbeat import Heartbeat

MIGRATIONS = Path(__file__).parent / "migrations"
PATIENCE = 5.0
"""Seconds that a request waits for a lock or a connection at most."""


class Database(ABC):
    """An open database. `read` and `write` each are one transaction; `write` commits or rolls back whole.

    Every wait is bounded by `PATIENCE`, but for a database with a `heartbeat`: a worker waits as long as
    it takes, and its heart beats meanwhile. Both raise `Unavailable` when the database cannot be had.
    """

    engine: Engine
    heartbeat: Heartbeat | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: it waits for nobody."""
        self.beat()
        with self._translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @abstractmethod
    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that writes: takes its turn, commits at the end, rolls back on any error."""

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold the lock `name` against every other process of this database, with a heartbeat beside it."""
        with self._translated(), self._lock(name):
            if self.heartbeat is None:
                yield
            else:
                with self.heartbeat.beside(self.lock_file(name)):
                    yield

    @abstractmethod
    def _lock(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock, waiting for it."""

    @abstractmethod
    def lock_file(self, name: str) -> Path:
        """The file that stands for the lock on this machine."""

    def beat(self) -> None:
        """Say that the worker makes progress."""
        if self.heartbeat is not None:
            self.heartbeat.beat()

    def busy(self) -> AbstractContextManager[None]:
        """A step of the worker without beats, whose CPU time counts as progress."""
        return nullcontext() if self.heartbeat is None else self.heartbeat.busy()

    @property
    def patience(self) -> float:
        """Seconds that a wait may last: fewer where the request has waited for its place already."""
        return deadline.left(PATIENCE) if self.heartbeat is None else math.inf

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise what the engine says in the form in which a caller gets it."""
        try:
            yield
        except NoFreeConnection as error:
            raise unavailable("Every connection to the database is in use.") from error
        except DBAPIError as error:
            raise self._meaning(error.orig or error, error.connection_invalidated) or error from error.orig
        except Exception as error:  # of a driver, while it connects
            if (meaning := self._meaning(error, False)) is None:
                raise
            raise meaning from error

    @abstractmethod
    def _meaning(self, error: BaseException, _lost: bool) -> AppError | None:
        """What an error of the driver means to a caller, if anything. `_lost`: the connection broke."""

    def has_waiters(self) -> bool:
        """Whether somebody waits for the end of the caller's own write transaction."""
        return False

    def had_waiters(self) -> bool:
        """Whether `has_waiters` was true lately: whoever writes much should do so in small steps."""
        return False

    @abstractmethod
    def size(self) -> int:
        """Bytes that the database takes on disk."""

    def migrate(self) -> None:
        """Bring the schema to the newest revision; costs one query when it is there already."""
        revision = self._revision()
        if revision == head_revision():
            return
        if revision is not None and revision > head_revision():
            raise ConfigurationError(
                f"The database was written by a newer release: schema {revision}, here {head_revision()}. "
                "Install that release, or set MATINEE_DATA_DIR or MATINEE_DATABASE_URL to another database."
            )
        with self.exclusive("migrate"), self.write() as connection:
            self.unbounded(connection)
            _upgrade(connection)

    def unbounded(self, connection: Connection) -> None:  # noqa: B027
        """Let the statements of this transaction take their time."""

    def _revision(self) -> str | None:
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def unavailable(what: str) -> Unavailable:
    """The database cannot be had now; `what` says why, in a sentence."""
    return Unavailable(f"{what} Try again in a few seconds.", headers={"Retry-After": "2"})


def insert_for(dialect: str) -> Callable[[sa.Table], Any]:
    """The engine's INSERT with `on_conflict_do_update`, which SQLAlchemy keeps per dialect."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


AT_ONCE = 900
"""Values of one IN: SQLite takes 32,766 parameters a statement by default, 999 before version 3.32."""


def batches(values: Iterable[int]) -> Iterator[list[int]]:
    """The values, few enough at a time for an IN."""
    rest = iter(values)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def serialize(connection: Connection, name: str) -> None:
    """Until this transaction ends, no other one that serializes on `name` goes on from here."""
    if connection.dialect.name == "postgresql":  # on SQLite a writer is alone anyway
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_number(name))))


def lock_number(name: str) -> int:
    """The number that stands for `name` among PostgreSQL's advisory locks."""
    return zlib.crc32(name.encode())


def head_revision() -> str:
    """The newest migration: their files are named by number, and form one line."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _upgrade(connection: Connection) -> None:
    # Alembic is imported here: a process that finds its schema up to date saves its memory and time.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

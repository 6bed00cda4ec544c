"""One database, whatever the engine: transactions, and everything in which the engines differ, as methods."""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from app import brief, deadline, traces
from app.config import Settings
from app.errors import AppError
from app.storage.copies import Copies
from app.storage.failures import unavailable
from app.storage.heartbeat import Heartbeat
from app.storage.preconditions import begin
from app.storage.presence import Presence
from app.storage.ratings_in_bulk import RatingsInBulk
from app.storage.revisions import current
from app.storage.title_terms import TitleTerms
from app.storage.workers import Workers

Found = TypeVar("Found")

LATELY = 10.0
"""Seconds after a waiter was seen in which `had_waiters` is true."""
PATIENCE = 5.0
"""Seconds that a request waits for a lock or a connection at most."""
_DATABASE, _AFTER = "database", "after"


class Database(RatingsInBulk, ABC):
    """An open database. `read` and `write` each are one transaction: a read sees one state, a write is whole.

    Waits are bounded by `PATIENCE`, except with a `heartbeat`: a worker waits as long as it takes, and its
    heart beats meanwhile. Both raise `Unavailable` when the database cannot be had.
    """

    values_at_once: ClassVar[int]
    """Values of one IN that a statement takes, with room for some other parameters."""
    rows_at_once: ClassVar[int] = 64_000
    """Rows of a transaction that writes many, while no other writer waits."""
    range_rows: ClassVar[int] = 16_000
    """Of them those that it writes before it looks whether one does."""
    writers_at_once: ClassVar[int] = 16
    """Requests that write at once: a transaction may have all of them."""
    reads_in_halves: ClassVar[bool] = True
    """Whether a rebuild reads many ratings from two connections at once."""
    titles: ClassVar[TitleTerms]
    """The index by which titles are searched."""
    copies: ClassVar[Copies]
    """How the whole database is copied, for backups."""
    workers: ClassVar[Workers]

    def __init__(
        self, settings: Settings, *, durable: bool = True, heartbeat: Heartbeat | None = None
    ) -> None:
        self._durable, self.heartbeat = durable, heartbeat
        self._directory = self.lock_directory(settings)
        self.damage_met: str | None = None  # that a statement has met in the file
        self.engine = self._create_engine(settings)
        sa.event.listen(self.engine, "connect", self._claim)
        self.presence = self._create_presence()

    @abstractmethod
    def _create_engine(self, settings: Settings) -> Engine:
        """A pool of connections that are set up for this engine."""

    @abstractmethod
    def _create_presence(self) -> Presence:
        """How a process of this engine shows that it is at work."""

    def _claim(self, _connection: Any, record: Any) -> None:
        record.info[_DATABASE] = self

    @staticmethod
    @abstractmethod
    def lock_directory(settings: Settings) -> Path:
        """Where this machine keeps the locks and heartbeats of the database."""

    @staticmethod
    @abstractmethod
    def advice(reason: str, url: sa.URL) -> str:
        """What to do about a database that cannot be opened for that reason, in a line for an operator."""

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; it never waits for writers. In the event loop it raises `TooLong`
        where it might wait for anything, or a query takes long.
        """
        self.beat()
        with traces.span("database.read"), self._translated(), self._reading() as connection:
            begin(connection)
            yield connection

    def _reading(self) -> AbstractContextManager[Connection]:
        """A connection in a transaction that reads."""
        brief.leave()  # to a server and back
        return self.engine.begin()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: waits for the lock, commits at the end, rolls back on any error."""
        with traces.span("database.write"), self._write() as connection:
            after = run_after_commit(connection)
            yield connection
        after()

    async def write_briefly(self, work: Callable[[Connection], Found]) -> Found:  # noqa: ARG002
        """Do `work` in a transaction that writes, for the event loop: one commit may have several.

        Raises `TooLong` if it would hold up the loop: then nothing was changed.
        """
        raise brief.TooLong

    @abstractmethod
    def _write(self) -> AbstractContextManager[Connection]:
        """That transaction, by this engine."""

    @abstractmethod
    def has_waiters(self) -> bool:
        """Whether another writer waits for the end of the caller's own write transaction."""

    @abstractmethod
    def had_waiters(self) -> bool:
        """Whether `has_waiters` was true lately: a task that writes much should do so in small steps."""

    @staticmethod
    @abstractmethod
    def insert(table: sa.Table) -> Any:
        """An INSERT that has `on_conflict_do_nothing`, `on_conflict_do_update` and `excluded`."""

    @staticmethod
    @abstractmethod
    def is_listed(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        """Whether the column has one of the ids that the parameter `listed` gives: any number of them."""

    @staticmethod
    @abstractmethod
    def listed(ids: Iterable[int]) -> Any:
        """The value of that parameter."""

    @classmethod
    @functools.cache
    def upsert(cls, table: sa.Table, *names: str) -> Any:
        """An INSERT that writes the columns `names` over those of a row with the same primary key.

        Built once, since that takes ten times as long as executing it for a row.
        """
        statement = cls.insert(table)
        changed = {name: statement.excluded[name] for name in names}
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)

    @classmethod
    def batches(cls, values: Iterable[int]) -> Iterator[list[int]]:
        """The values, few enough at a time for an IN."""
        rest = iter(values)
        while batch := list(islice(rest, cls.values_at_once)):
            yield batch

    @staticmethod
    @abstractmethod
    def ordered(aggregate: Any, by: sa.Column[Any]) -> Any:
        """The aggregate with its values in the order of `by`, where the rest of the key makes the groups."""

    @staticmethod
    def together(connection: Connection) -> AbstractContextManager[Any]:  # noqa: ARG004
        """Has what `Prepared` runs within it sent without a wait for results that are not read.

        An error is raised by the next row that is read, or at the end; nothing else may run within it.
        """
        return nullcontext()

    @abstractmethod
    def serialize(self, connection: Connection, name: str) -> None:
        """Let no other transaction pass its own `serialize` of that name until this one ends."""

    @abstractmethod
    def unbounded(self, connection: Connection) -> None:
        """Lift the limit on how long a statement of this transaction may take."""

    @abstractmethod
    def scrub(self) -> str | None:
        """Overwrite what deleted rows have left in the files; returns what may still be there, if any."""

    def damage(self, seconds: float) -> str | None:  # noqa: ARG002
        """What the engine finds damaged within that time, if it can look; in words."""
        return None

    def server_version(self, connection: Connection) -> str:
        """The engine's version, as it tells it."""
        return ".".join(map(str, connection.dialect.server_version_info or ()))

    @staticmethod
    def exists(settings: Settings) -> bool:  # noqa: ARG004
        """Whether there is a database to open, as far as can be seen without opening it."""
        return True

    @abstractmethod
    def size(self) -> int:
        """Bytes that the database takes on disk."""

    def size_of_wal(self) -> int | None:
        """Bytes of the write-ahead log beside the database; None if the engine keeps it elsewhere."""
        return None

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
        """Hold the lock, after waiting for it."""

    def lock_file(self, name: str) -> Path:
        """The file that stands for the lock on this machine."""
        self._directory.mkdir(parents=True, exist_ok=True)
        return self._directory / f"{name}.lock"

    def beat(self) -> None:
        """Say that the worker makes progress."""
        if self.heartbeat is not None:
            self.heartbeat.beat()

    def busy(self) -> AbstractContextManager[None]:
        """A step of the worker without beats, during which its CPU time counts as progress."""
        return nullcontext() if self.heartbeat is None else self.heartbeat.busy()

    @property
    def patience(self) -> float:
        """Seconds that a wait may last: fewer after the request has waited for its place already."""
        return deadline.left(PATIENCE) if self.heartbeat is None else math.inf

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise an engine's errors as the `AppError`s that they mean to a caller."""
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

    def revision(self) -> str | None:
        """That of the schema; None if there is none yet."""
        with self.read() as connection:
            return current(connection)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()
        self.presence.hide()


def database_of(connection: Connection) -> Database:
    """The database that opened the connection. Raises `KeyError` for a connection of another engine."""
    database: Database = connection.info[_DATABASE]
    return database


def after_commit(connection: Connection, call: Callable[[], None]) -> None:
    """Have something called once the transaction, which writes, is committed; never if it is rolled back."""
    connection.info[_AFTER].append(call)


def run_after_commit(connection: Connection) -> Callable[[], None]:
    """What calls all that `after_commit` is given from now on: for who commits the transaction."""
    calls = connection.info[_AFTER] = list[Callable[[], None]]()

    def run() -> None:
        for call in calls:
            call()

    return run


def serialize(connection: Connection, name: str) -> None:
    """`Database.serialize`, of the connection's database."""
    database_of(connection).serialize(connection, name)

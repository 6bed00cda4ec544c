"""PostgreSQL, by psycopg 3: locks are advisory ones, and writers need no lock of all."""

import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, Engine

from app.config import Settings
from app.errors import AppError
from app.rating import RatingColumns
from app.storage.database import PATIENCE, Database, begin
from app.storage.failures import unavailable
from app.storage.heartbeat import Heartbeat
from app.storage.locks import locked
from app.storage.postgres_copies import PostgresCopies
from app.storage.postgres_presence import AdvisoryPresence
from app.storage.schema import rating_before_images, ratings
from app.storage.title_terms import PostgresTitleTerms

STATEMENT_SECONDS = 30
"""The longest statement of a request; one that reads much does so in parts."""
NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Options of libpq, in seconds (the last in milliseconds): a server that vanished is noticed."""


class PostgresDatabase(Database):
    """A PostgreSQL database; connections are checked before use, so that a restart of it is survived.

    Every commit is as durable as the server makes it, whatever `durable` says.
    """

    titles = PostgresTitleTerms()
    copies = PostgresCopies()
    values_at_once = 10_000
    """A statement takes 65,535 parameters."""

    def _create_engine(self, settings: Settings) -> Engine:
        given = sa.make_url(settings.url).query
        engine = sa.create_engine(
            settings.url,
            pool_size=8,
            max_overflow=32,
            pool_timeout=PATIENCE,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={name: value for name, value in NETWORK.items() if name not in given},
        )
        if self.heartbeat is None:
            sa.event.listen(engine, "connect", _bound)
        else:
            sa.event.listen(engine, "do_connect", _beating(self.heartbeat))
        return engine

    def _create_presence(self) -> AdvisoryPresence:
        return AdvisoryPresence(self.engine)

    @staticmethod
    def lock_directory(settings: Settings) -> Path:
        return settings.data_dir.absolute()

    @staticmethod
    def advice(reason: str, url: sa.URL) -> str:
        where = url.render_as_string(hide_password=True).replace("+psycopg", "")
        return f"The database {where} cannot be reached: {reason}. Start it, or correct MATINEE_DATABASE_URL."

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        self.beat()
        with self._translated(), self.engine.begin() as connection:
            begin(connection)
            yield connection
        self.beat()

    def has_waiters(self) -> bool:
        return False  # writers wait for rows, not for one another's transactions

    def had_waiters(self) -> bool:
        return False

    @staticmethod
    def insert(table: sa.Table) -> postgresql.Insert:
        return postgresql.insert(table)

    @staticmethod
    def ordered(aggregate: Any, by: sa.Column[Any]) -> Any:
        return aggregate.aggregate_order_by(by)

    def serialize(self, connection: Connection, name: str) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number(name))))

    def lock_ratings(self, connection: Connection) -> None:
        connection.execute(sa.text("LOCK TABLE ratings IN SHARE ROW EXCLUSIVE MODE"))

    def join_ratings(self, connection: Connection) -> None:
        connection.execute(sa.text("LOCK TABLE ratings IN ROW EXCLUSIVE MODE"))

    def unbounded(self, connection: Connection) -> None:
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))

    def put_ratings(self, connection: Connection, columns: RatingColumns) -> None:
        if rows := _rows(columns, "import_seq"):
            connection.execute(self.upsert(ratings, "score", "rated_at", "import_seq"), rows)

    def put_before_images(self, connection: Connection, columns: RatingColumns, import_seq: int) -> None:
        if rows := _rows(columns, "before_seq"):
            connection.execute(rating_before_images.insert().values(import_seq=import_seq), rows)

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
        key = _lock_number(name)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))

    def _meaning(self, error: BaseException, _lost: bool) -> AppError | None:
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return locked()
        if isinstance(error, psycopg.errors.QueryCanceled):
            return unavailable(f"The database was not done with this within {STATEMENT_SECONDS} s.")
        if isinstance(error, psycopg.errors.DiskFull | psycopg.errors.OutOfMemory):
            return None
        if _lost or isinstance(error, psycopg.OperationalError):
            return unavailable("The database cannot be reached.")
        return None


def _lock_number(name: str) -> int:
    """The number that stands for `name` among the advisory locks."""
    return zlib.crc32(name.encode())


def _rows(columns: RatingColumns, seq: str) -> list[dict[str, Any]]:
    """One dictionary a rating. `seq`: the name of the column for the import's number."""
    lists = (
        columns.user_id,
        columns.movie_id,
        columns.half_steps / 2,
        columns.rated_at,
        columns.import_seqs(),
    )
    names = ("user_id", "movie_id", "score", "rated_at", seq)
    rows = zip(*(column.tolist() for column in lists), strict=True)
    return [dict(zip(names, (*row[:4], row[4] or None), strict=True)) for row in rows]


def _bound(connection: Any, _record: Any) -> None:
    """Give every statement of a request a limit for its waits for locks, and for itself."""
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = {int(PATIENCE * 1000)}")
    connection.execute(f"SET statement_timeout = {STATEMENT_SECONDS * 1000}")
    connection.autocommit = False


def _beating(heartbeat: Heartbeat) -> Any:
    """Connects so that waits for the server beat: a worker that waits for it is not stuck."""

    def beating(steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            state = next(steps)
            while True:
                ready = yield state
                heartbeat.beat()
                state = steps.send(ready)
        except StopIteration as end:
            return end.value

    class Beating(psycopg.Connection[Any]):
        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            return super().wait(beating(gen), *arguments, **options)

    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        return Beating.connect(*arguments, **options)

    return connect

"""PostgreSQL, by psycopg 3: locks are advisory ones, writers need no turns."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import AppError
from app.storage.database import PATIENCE, Database, lock_number, unavailable
from app.storage.heartbeat import Heartbeat
from app.storage.locks import locked

STATEMENT_SECONDS = 30
"""The longest statement of a request; one that reads much does so in parts."""
NETWORK = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
"""Of libpq: a server that is gone without a word is noticed."""
NETWORK |= {"tcp_user_timeout": 10_000}


class PostgresDatabase(Database):
    """A PostgreSQL database; connections are checked before use, so that a restart of it is survived.

    `directory`: where this machine keeps the files of its locks.
    """

    def __init__(self, url: str, directory: Path, *, heartbeat: Heartbeat | None = None) -> None:
        self.heartbeat = heartbeat
        self._directory = directory
        self.engine = sa.create_engine(
            url,
            pool_size=8,
            max_overflow=32,
            pool_timeout=PATIENCE,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                name: value for name, value in NETWORK.items() if name not in sa.make_url(url).query
            },
        )
        if heartbeat is None:
            sa.event.listen(self.engine, "connect", _bound)
        else:
            sa.event.listen(self.engine, "do_connect", _beating(heartbeat))

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.beat()
        with self._translated(), self.engine.begin() as connection:
            yield connection
        self.beat()

    def size(self) -> int:
        with self.read() as connection:
            return int(
                connection.execute(
                    sa.select(sa.func.pg_database_size(sa.func.current_database()))
                ).scalar_one()
            )

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        key = lock_number(name)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))

    def lock_file(self, name: str) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True)
        return self._directory / f"{name}.lock"

    def unbounded(self, connection: Connection) -> None:
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))

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


def _bound(connection: Any, _record: Any) -> None:
    """No statement of a request waits for long: neither for a lock nor for its end."""
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = {int(PATIENCE * 1000)}")
    connection.execute(f"SET statement_timeout = {STATEMENT_SECONDS * 1000}")
    connection.autocommit = False


def _beating(heartbeat: Heartbeat) -> Any:
    """Connections whose waits for the server beat: they are no fault of the worker."""

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

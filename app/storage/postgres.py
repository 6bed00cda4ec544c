"""PostgreSQL, by psycopg 3: locks are advisory ones, writers need no turns."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.database import Database, lock_number


class PostgresDatabase(Database):
    """A PostgreSQL database; connections are checked before use, so that a restart of it is survived."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(
            url, pool_size=8, max_overflow=32, pool_pre_ping=True, hide_parameters=True
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            yield connection

    def size(self) -> int:
        with self.read() as connection:
            return int(
                connection.execute(
                    sa.select(sa.func.pg_database_size(sa.func.current_database()))
                ).scalar_one()
            )

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        key = lock_number(name)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))

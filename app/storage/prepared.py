"""Queries of the busiest requests, compiled once for an engine and run by its driver itself.

SQLAlchemy takes some fifty microseconds for a query that SQLite answers in five. A row is a tuple of what the
driver gives: for integers, floats and texts that is the same on every engine.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.database import Database, database_of

Build = Callable[[type[Database]], sa.sql.ClauseElement]


class Prepared:
    """A query or statement. Its parameters are given by name, as those of `sa.bindparam`."""

    def __init__(self, build: sa.sql.ClauseElement | Build) -> None:
        """`build`: the query, or a function that makes it for an engine."""
        self._build = build
        self._compiled: dict[type[Database], tuple[str, dict[str, Any], list[str] | None]] = {}

    def run(self, connection: Connection, **values: Any) -> Any:
        """The cursor. Errors of the driver are raised as they are (see `Database.read`)."""
        driver: Any = connection.connection.driver_connection
        return driver.execute(*self.compiled(connection, values))

    def compiled(self, connection: Connection, values: dict[str, Any]) -> tuple[str, Any]:
        """The text and the values as the driver takes them."""
        kind = type(database_of(connection))
        text, given, order = self._compiled.get(kind) or self._compile(kind, connection)
        named = given | values if given else values
        return text, named if order is None else [named[name] for name in order]

    def rows(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.run(connection, **values).fetchall()
        return found

    def first(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """The first row, if any."""
        row: tuple[Any, ...] | None = self.run(connection, **values).fetchone()
        return row

    def _compile(
        self, kind: type[Database], connection: Connection
    ) -> tuple[str, dict[str, Any], list[str] | None]:
        query = self._build if isinstance(self._build, sa.sql.ClauseElement) else self._build(kind)
        compiled: Any = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        given = {name: value for name, value in compiled.params.items() if value is not None}
        found = str(compiled), given, compiled.positiontup if compiled.positional else None
        self._compiled[kind] = found
        return found

"""Statements for many rows."""

import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def execute_many(connection: Connection, statement: Any, columns: dict[str, list[Any]]) -> int:
    """Execute a statement once a row of `columns`, which are named by its parameters.

    Returns how many rows of the table it hit in all. It hands the driver tuples or dictionaries, whichever
    its form of parameters takes, and not through SQLAlchemy: that would take longer over a dozen
    parameters a row than SQLite over the row.
    """
    text, order = _compiled(statement, connection.dialect)
    rows: Any = list(zip(*(columns[name] for name in order or columns), strict=True))
    if not order:
        rows = [dict(zip(columns, row, strict=True)) for row in rows]
    return connection.exec_driver_sql(text, rows).rowcount if rows else 0


@functools.lru_cache(16)
def _compiled(statement: Any, dialect: sa.Dialect) -> tuple[str, list[str] | None]:
    """The text in the driver's form, and the order of its parameters unless they are named."""
    compiled = statement.compile(dialect=dialect)
    return str(compiled), compiled.positiontup

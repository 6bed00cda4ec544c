"""Rows of any table as plain values, the same from every engine: to copy them, and to compare.

JSON is its text, so that null and no value stay apart. Rows come by primary key, some at a time.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage import marker, personal, players, task_tables, title_terms  # noqa: F401  (their tables)
from app.storage.schema import metadata

Row = Sequence[Any]
Key = list[Any]
MANY, FEW = 50_000, 2_000
"""Rows that are in memory at once: of numbers alone, and of others, which may have kilobytes each."""
_MODULUS = 1 << 128


def tables() -> list[sa.Table]:
    """Every table of the schema whose rows are copied, by name. The index of titles is made of the movies."""
    return sorted(metadata.tables.values(), key=lambda table: table.name)


def page(connection: Connection, table: sa.Table, after: Key | None) -> Sequence[Row]:
    """The next rows of a table by its key, `after` the one of the last row; None: from the first one.

    A table without a key, which has few rows, is one page.
    """
    keys = list(table.primary_key.columns)
    query = sa.select(*map(_plain, table.columns))
    if not keys:
        return connection.execute(query).all() if after is None else []
    if after is not None:
        values = [sa.literal(value, key.type) for key, value in zip(keys, after, strict=True)]
        query = query.where(sa.tuple_(*keys) > sa.tuple_(*values))
    return connection.execute(query.order_by(*keys).limit(_at_once(table))).all()


def key_of(table: sa.Table, row: Row) -> Key:
    """Where a table goes on after this row."""
    places = [place for place, column in enumerate(table.columns) if column.primary_key]
    return [row[place] for place in places]


def count(connection: Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


class Digest:
    """Of rows, whatever their order: how many they are, and the sum of their hashes (BLAKE2b, 128 bits)."""

    def __init__(self) -> None:
        self.rows, self._sum = 0, 0

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            found = hashlib.blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=16)
            self._sum += int.from_bytes(found.digest())
            self.rows += 1
        self._sum %= _MODULUS

    @property
    def text(self) -> str:
        return f"{self._sum:032x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (self.rows, self._sum) == (other.rows, other._sum)

    __hash__ = None  # type: ignore[assignment]


def _plain(column: sa.Column[Any]) -> Any:
    is_json = isinstance(column.type, sa.JSON)
    return sa.cast(column, sa.Text).label(column.name) if is_json else column


def _at_once(table: sa.Table) -> int:
    are_numbers = all(isinstance(column.type, sa.Integer | sa.Double) for column in table.columns)
    return MANY if are_numbers else FEW

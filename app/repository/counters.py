"""Counters that only grow, each in the transaction of what it counts."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.prepared import Prepared
from app.storage.schema import counters

_ADD = Prepared(
    counters.update()
    .where(counters.c.name == sa.bindparam("counter"))
    .values(value=counters.c.value + sa.bindparam("more"))
)


def value(name: str) -> sa.Select[Any]:
    """The query of one counter."""
    return sa.select(counters.c.value).where(counters.c.name == name)


def add(connection: Connection, name: str, more: int = 1) -> None:
    """Move a counter on. On PostgreSQL others that move it wait from here to the end of the transaction."""
    _ADD.run(connection, counter=name, more=more)

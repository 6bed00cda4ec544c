"""Presence at a PostgreSQL database: an advisory lock of every connection, so that it needs none of its own.

The lock belongs to the session: it does not work through a pooler that gives a session to several clients.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from app.errors import ConfigurationError
from app.storage.presence import Presence, taken
from app.storage.revisions import SCHEMAS, STEP, head_revision

CLASS = 0x6D6174
"""The first of the two numbers of the locks, which keeps them apart from others in this database."""
_SHARE = "SELECT pg_advisory_lock_shared(%s, %s)"
_LEAST = f"SELECT value % {STEP} FROM counters WHERE name = '{SCHEMAS}'"  # noqa: S608
_TAKE = sa.text("SELECT pg_try_advisory_xact_lock(:class, :schema)")


class AdvisoryPresence(Presence):
    """Shown by each connection that is made from then on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._schema: int | None = None

    def show(self) -> None:
        if self._schema is None:
            sa.event.listen(self._engine, "connect", self._take)
        self._schema = int(head_revision())

    def hide(self) -> None:
        """Nothing is to be done: the locks end with the connections."""

    def _take(self, connection: Any, _record: Any) -> None:
        """A process that was away, such as while the server restarted, may find a schema it does not know."""
        was, connection.autocommit = connection.autocommit, True
        try:
            connection.execute(_SHARE, (CLASS, self._schema))
            least = connection.execute(_LEAST).fetchone()
        except psycopg.errors.LockNotAvailable:
            raise taken() from None
        except psycopg.errors.UndefinedTable:  # there is no schema yet
            least = None
        connection.autocommit = was
        if least is not None and least[0] > (self._schema or 0):
            raise ConfigurationError(
                f"The database has been upgraded to a schema ({least[0]:04}) that this release "
                f"({self._schema:04}) does not know. Start the release that has done it."
            )

    @contextmanager
    def alone(self, schemas: Iterable[int]) -> Iterator[bool]:
        with self._engine.begin() as connection:
            given = [{"class": CLASS, "schema": schema} for schema in schemas]
            yield all(connection.execute(_TAKE, one).scalar_one() for one in given)

"""Making the pending changes of movie counts, in short transactions."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy.engine import Connection

from app.repository import imports
from app.storage import Database

PARTS = 10
"""Parts (`imports.SETTLED_AT_ONCE`) that one transaction makes while no other writer waits."""


def settle(database: Database, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
    """Make every pending change, also those that a cancelled or killed import has left.

    Each `transaction` makes some and forgets them, so that a kill in between neither loses nor doubles one.
    """

    def waiting_after(step: Callable[[Connection], None]) -> int:
        with transaction() as connection:
            step(connection)
            return imports.pending_counts(connection)

    with database.read() as connection:
        waiting = imports.pending_counts(connection)
    while waiting > 1:
        waiting = waiting_after(imports.compact_counts)
    if waiting:
        movies = imports.SETTLED_AT_ONCE if database.had_waiters() else imports.SETTLED_ALONE
        waiting = waiting_after(lambda some: imports.compact_counts(some, movies))
    while waiting:
        waiting = waiting_after(lambda some: _settle_some(database, some))


def _settle_some(database: Database, connection: Connection) -> None:
    """Make changes, part after part, until another writer waits for the end."""
    for _ in range(PARTS):
        imports.settle_counts(connection)
        if database.has_waiters() or not imports.pending_counts(connection):
            return

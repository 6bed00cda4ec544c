"""Making the pending changes of movie counts, a few hundred movies a transaction."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy.engine import Connection

from app.repository import imports
from app.storage import Database


def settle(database: Database, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
    """Make every pending change, whichever import left it: one that was cancelled or killed has some.

    Each `transaction` makes some and forgets them, so that a kill in between neither loses nor doubles one.
    """
    with database.read() as connection:
        waiting = imports.pending_counts(connection)
    if not waiting:
        return
    while waiting > 1:
        with transaction() as connection:
            imports.compact_counts(connection)
            waiting = imports.pending_counts(connection)
    with transaction() as connection:
        imports.compact_counts(connection, imports.SETTLED_AT_ONCE)
        waiting = imports.pending_counts(connection)
    while waiting:
        with transaction() as connection:
            imports.settle_counts(connection)
            waiting = imports.pending_counts(connection)

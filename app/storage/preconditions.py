"""What every transaction of a request begins with."""

from collections.abc import Callable
from contextvars import ContextVar

from sqlalchemy.engine import Connection

precondition: ContextVar[Callable[[Connection], None] | None] = ContextVar("precondition", default=None)
"""What every transaction of this context begins with. It raises, and then nothing is read or written."""


def begin(connection: Connection) -> None:
    """Judge the precondition of this context, in a transaction that has just begun."""
    if (judge := precondition.get()) is not None:
        judge(connection)

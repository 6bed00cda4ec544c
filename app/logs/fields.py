"""What a record belongs to: the fields that every record has which is made in a context.

`request_id`, `trace_id`, `task_id`, `attempt`, `user_id` (never a name). They pass into the threads of a
request with its context.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_NOTHING: dict[str, Any] = {}
_fields: ContextVar[dict[str, Any]] = ContextVar("fields", default=_NOTHING)

begin = _fields.set
"""Let the records of this context have these fields; the dictionary may be added to later."""


end = _fields.reset
"""No longer: takes what `begin` returned."""


def current() -> dict[str, Any]:
    """The fields of this context; not to be changed."""
    return _fields.get()


@contextmanager
def belonging(**fields: Any) -> Iterator[None]:
    """Let the records made meanwhile have these fields too, those that are not None."""
    known = {name: value for name, value in fields.items() if value is not None}
    token = _fields.set(_fields.get() | known)
    try:
        yield
    finally:
        _fields.reset(token)

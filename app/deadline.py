"""The deadline of a request: every wait on its way ends by the same time."""

import time
from contextvars import ContextVar

_until: ContextVar[float | None] = ContextVar("deadline", default=None)


def begin(seconds: float) -> None:
    """Set the deadline of this context, and of the threads that work for it, to `seconds` from now."""
    _until.set(time.monotonic() + seconds)


def left(longest: float) -> float:
    """Seconds that a wait may take: `longest`, or fewer if the deadline comes first."""
    until = _until.get()
    return longest if until is None else max(0.0, min(longest, until - time.monotonic()))

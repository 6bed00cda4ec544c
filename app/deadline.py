"""Until when the work of a request is worth doing: every wait on its way looks at one and the same time."""

import time
from contextvars import ContextVar

_until: ContextVar[float | None] = ContextVar("deadline", default=None)


def begin(seconds: float) -> None:
    """From here on, in this context and the threads it runs work in, waits end within `seconds`."""
    _until.set(time.monotonic() + seconds)


def left(longest: float) -> float:
    """Seconds that a wait may take: `longest`, or fewer if the deadline is nearer."""
    until = _until.get()
    return longest if until is None else max(0.0, min(longest, until - time.monotonic()))

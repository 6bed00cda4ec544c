"""Short work is done in the event loop, without a thread: whatever finds that it would be long says so.

A thread that hands the interpreter over costs a request more than its whole work, and with many connections
most of the time goes there. What may block (a disk, a lock, another server) or takes more than a few
milliseconds must not hold up all others: it raises `TooLong`, and the work starts again in a thread.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

Found = TypeVar("Found")

SLOW, PAUSE = 0.025, 0.25
"""After work that took so many seconds, such as from a cold disk, threads do it for so many more."""
_here: ContextVar[bool] = ContextVar("brief", default=False)


class TooLong(Exception):
    """The work is too long for the event loop. It has changed nothing."""


class _Pause:
    until = 0.0


def is_asked() -> bool:
    """Whether the caller holds up the event loop."""
    return _here.get()


def leave() -> None:
    """What follows may take long: raises `TooLong` where it would hold up the event loop."""
    if _here.get():
        raise TooLong


def attempt(work: Callable[[], Found]) -> Found:
    """Do the work here, which only reads or is undone if this raises. Raises `TooLong`."""
    began = time.monotonic()
    if began < _Pause.until:
        raise TooLong
    token = _here.set(True)
    try:
        return work()
    finally:
        _here.reset(token)
        ended = time.monotonic()
        if ended - began > SLOW:
            _Pause.until = ended + PAUSE

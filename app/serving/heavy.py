"""Requests that cost much, one at a time: however many come at once, the others keep their processor."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import Unavailable

COST = 2_000_000
"""Contributions (ratings times movies) from which a request is heavy: some ten milliseconds."""
WAITING = 16
"""Heavy requests that wait at most: half of those that are at work at once."""
LONGEST_WAIT = 10.0
"""Seconds."""
LOOK_EVERY = 0.1
"""Seconds between two looks whether the caller is still there."""


class Heavy:
    """Turns for heavy requests; light ones pass."""

    def __init__(self, waiting: int = WAITING, longest_wait: float = LONGEST_WAIT) -> None:
        self._turn = threading.Lock()
        self._most_waiting = waiting
        self._longest_wait = longest_wait
        self._count = threading.Lock()
        self.waiting = 0

    @contextmanager
    def turn(self, cost: int, has_left: Callable[[], bool]) -> Iterator[Callable[[], None]]:
        """Hold the turn, if the cost asks for one. Raises `Unavailable` if it does not come in time.

        Gives a function to call between the steps of the work: it raises `Unavailable` once the caller
        has left.
        """
        if cost < COST:
            yield lambda: None
            return
        step = _Looking(has_left)
        if not self._turn.acquire(blocking=False):
            self._wait(step)
        try:
            yield step
        finally:
            self._turn.release()

    def _wait(self, step: Callable[[], None]) -> None:
        with self._count:
            if self.waiting >= self._most_waiting:
                raise _busy()
            self.waiting += 1
        try:
            until = time.monotonic() + self._longest_wait
            while not self._turn.acquire(timeout=LOOK_EVERY):
                step()
                if time.monotonic() > until:
                    raise _busy()
        finally:
            with self._count:
                self.waiting -= 1


class _Looking:
    def __init__(self, has_left: Callable[[], bool]) -> None:
        self._has_left = has_left
        self._next = time.monotonic() + LOOK_EVERY

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        if self._has_left():
            raise Unavailable("The caller has left before the end of its request.")
        self._next = time.monotonic() + LOOK_EVERY


def _busy() -> Unavailable:
    text = "Too many requests with thousands of ratings and a high limit are waiting already. Try again soon."
    return Unavailable(text, headers={"Retry-After": "2"})

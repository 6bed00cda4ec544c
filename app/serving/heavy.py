"""Costly requests run one at a time, so that any number of them leaves the other requests their processor."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app import brief
from app.errors import Unavailable

BRIEF, COST = 50_000, 2_000_000
"""Contributions (ratings times movies) up to which the event loop may do them, and from which a request is
heavy: about ten milliseconds."""
WAITING = 16
"""Heavy requests that wait at most, a thread each."""
LONGEST_WAIT = 10.0
"""Seconds for the turn."""
LOOK_EVERY = 0.1
"""Seconds between two checks whether the caller is still connected."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a thread does for the caller of a heavy request. `leave_place`, `take_place`: around its wait."""

    has_left: Callable[[], bool]
    leave_place: Callable[[], None] = lambda: None
    take_place: Callable[[], None] = lambda: None


class Heavy:
    """Turns for heavy requests; light ones need none."""

    def __init__(self, waiting: int = WAITING, longest_wait: float = LONGEST_WAIT) -> None:
        self._turn = threading.Lock()
        self._most_waiting = waiting
        self._longest_wait = longest_wait
        self._count = threading.Lock()
        self.waiting = 0

    @contextmanager
    def turn(self, cost: int, caller: Caller) -> Iterator[Callable[[], None]]:
        """Hold the turn while the work is done, if its cost makes it heavy.

        Yields a function to call between the steps of the work; it raises `Unavailable` once the caller has
        left. Raises `Unavailable` if too many wait or the turn does not come in time.
        """
        if cost > BRIEF:
            brief.leave()
        if cost < COST:
            yield lambda: None
            return
        step = _Looking(caller.has_left)
        if waits := not self._turn.acquire(blocking=False):
            caller.leave_place()
            self._wait(step)
        try:
            if waits:
                caller.take_place()
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
    text = "Too many requests that take long are waiting already. Try again soon."
    return Unavailable(text, headers={"Retry-After": "2"})

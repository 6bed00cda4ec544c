"""Locks between processes of one machine, by flock(2): the system releases them when a process dies.

flock(2) knows no timeout, so a bounded wait polls; each pause is a fiftieth of the wait so far.
"""

import fcntl
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import Unavailable

SHORTEST_PAUSE, LONGEST_PAUSE = 0.0002, 0.1
"""Seconds between two attempts at a lock."""
BEAT_EVERY = 1.0
"""Seconds between two calls of `waiting` by a thread in the queue of its process."""


@contextmanager
def file_lock(path: Path, seconds: float = math.inf) -> Iterator[None]:
    """Hold an exclusive lock on `path`; between threads as well as between processes.

    Waits `seconds` for it, then raises `Unavailable`.
    """
    descriptor = open_file(path)
    try:
        if seconds == math.inf:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            _lock(descriptor, time.monotonic() + seconds, lambda: None)
        yield
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Take the lock if it is free: an open descriptor that holds it until closed, or None."""
    while True:
        descriptor = open_file(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # its last holder moved or removed the file after it was opened here


def is_held(path: Path) -> bool:
    """Whether another process holds the lock; one whose file is not there is free."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class WriteLock:
    """The lock of everything that writes into one SQLite file, between processes and threads.

    SQLite's own busy wait sleeps longer and longer, so a writer starves beside one that writes all the
    time. Here the file locks `next` and `turn` make a queue: a process takes `next`, holds it while it
    waits for `turn`, then releases it. So one that has just released `turn` cannot have it again before the
    process that holds `next`. Processes that wait for `next` get it in no certain order.

    Threads of a process queue within it, and only the first of them tries the file locks. Those that are in
    the queue when it gets `turn` use it one after the other, since they came before any other process
    that waits; threads that come later have to wait for the next one.
    """

    def __init__(self, directory: Path) -> None:
        self._next = directory / "next.lock"
        self._turn = directory / "turn.lock"
        self._mutex = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._taken = False  # a thread of this process writes, or waits at the file locks
        self._held: int | None = None  # the descriptor of `turn`
        self._sharing = 0  # threads of the queue that may still write before it is released

    @contextmanager
    def hold(self, deadline: float = math.inf, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock. Waits for it until `deadline` (of `time.monotonic`), then raises `Unavailable`.

        `waiting` is called once a second or more often meanwhile.
        """
        self._enter(deadline, waiting)
        try:
            if self._held is None:
                self._held = self._acquire(deadline, waiting)
                self._sharing = len(self._queue)
            yield
        finally:
            self._leave()

    def _enter(self, deadline: float, waiting: Callable[[], None]) -> None:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._queue.append(mine)
        try:
            while not mine.wait(max(0.0, min(BEAT_EVERY, deadline - time.monotonic()))):
                waiting()
                if time.monotonic() >= deadline:
                    raise locked()
        except BaseException:
            self._give_up(mine)
            raise

    def _give_up(self, mine: threading.Event) -> None:
        with self._mutex:
            if mine in self._queue:
                self._queue.remove(mine)
                return
        self._leave()  # its event was set at this moment: let the next one go on

    def _leave(self) -> None:
        with self._mutex:
            if self._held is not None and not (self._queue and self._sharing > 0):
                os.close(self._held)
                self._held = None
            self._sharing -= 1
            if self._queue:
                self._queue.popleft().set()
            else:
                self._taken = False

    def _acquire(self, deadline: float, waiting: Callable[[], None]) -> int:
        turn = open_file(self._turn)
        try:
            place = open_file(self._next)
            try:
                _lock(place, deadline, waiting)
                _lock(turn, deadline, waiting)
            finally:
                os.close(place)
        except BaseException:
            os.close(turn)
            raise
        return turn

    def has_waiters(self) -> bool:
        """Whether another thread or process waits for the lock, which the caller holds."""
        if self._queue:
            return True
        place = open_file(self._next)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(place)
        return False


def locked() -> Unavailable:
    """The error of a caller that has waited for a lock of the database for too long."""
    return Unavailable(
        "Another process keeps the database locked. Nothing was changed; try again in a few seconds.",
        headers={"Retry-After": "2"},
    )


def _lock(descriptor: int, deadline: float, waiting: Callable[[], None]) -> None:
    started = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now = time.monotonic()
            if now >= deadline:
                raise locked() from None
            waiting()
            time.sleep(min(max(SHORTEST_PAUSE, (now - started) / 50), LONGEST_PAUSE))
        else:
            return


def open_file(path: Path) -> int:
    """A descriptor of a file, made if it is missing; programs that this one starts do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

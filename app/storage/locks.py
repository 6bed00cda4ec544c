"""Locks between processes of one machine, by flock(2): the system lets go of them when a process dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, waiting for it; between threads as well as between processes."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Take the lock if it is free: an open descriptor that holds it until closed, or None."""
    while True:
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # its last holder moved or removed the file after we opened it


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class Turns:
    """Writers of one SQLite file take turns, first come first served but for ties.

    SQLite's own busy wait sleeps and starves whoever polls less often. Here a writer first takes the
    place `next`, then waits there for the `turn`: one that has just finished has to queue behind it.
    """

    def __init__(self, directory: Path) -> None:
        self._next = directory / "next.lock"
        self._turn = directory / "turn.lock"

    @contextmanager
    def take(self) -> Iterator[None]:
        turn = _open(self._turn)
        try:
            place = _open(self._next)
            try:
                fcntl.flock(place, fcntl.LOCK_EX)
                fcntl.flock(turn, fcntl.LOCK_EX)
            finally:
                os.close(place)
            yield
        finally:
            os.close(turn)

    def is_wanted(self) -> bool:
        """Whether somebody waits for the turn that the caller has."""
        place = _open(self._next)
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(place)
        return False


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

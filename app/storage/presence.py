"""Which schemas the processes at work know: each process holds a shared lock on the number of its own.

An upgrade that would break processes of older schemas takes their numbers for itself, as does who moves the
whole database: they fail where one is held, and a process that comes meanwhile waits. The system gives the
locks of a process back when it ends, however it ends.
"""

import fcntl
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from app.errors import Unavailable
from app.storage.locks import LONGEST_PAUSE, open_file, try_lock
from app.storage.revisions import head_revision

PATIENCE = 5.0
"""Seconds for which a process waits until it may come."""


class Presence(ABC):
    """The presence of this process at one database, and what it may know of others."""

    @abstractmethod
    def show(self) -> None:
        """Show, from here on, that a process of this release is at work. Raises `Unavailable`."""

    @abstractmethod
    def hide(self) -> None:
        """End it."""

    @abstractmethod
    def alone(self, schemas: Iterable[int]) -> AbstractContextManager[bool]:
        """Whether no process of these schemas is at work; then none comes within this context."""


class FilePresence(Presence):
    """By flock(2) on a file for each schema, beside the database."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: int | None = None

    def _file(self, schema: int) -> Path:
        return self._directory / f"schema-{schema:04}.lock"

    def show(self) -> None:
        descriptor, end = open_file(self._file(int(head_revision()))), time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < end:
                    time.sleep(LONGEST_PAUSE)
                    continue
                os.close(descriptor)
                raise taken() from None
            self.hide()
            self._held = descriptor
            return

    def hide(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @contextmanager
    def alone(self, schemas: Iterable[int]) -> Iterator[bool]:
        with ExitStack() as stack:
            is_alone = True
            for schema in schemas:
                descriptor = try_lock(self._file(schema))
                if descriptor is None:
                    is_alone = False
                    break
                stack.callback(os.close, descriptor)
            yield is_alone


def taken() -> Unavailable:
    """The error of a process that may not come now."""
    return Unavailable(
        "The database is being upgraded, or moved to another engine. Start this process again when that has "
        "ended.",
        headers={"Retry-After": "5"},
    )

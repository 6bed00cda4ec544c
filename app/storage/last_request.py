"""When a process of this machine was last asked for something, as the worker beside it sees it."""

import contextlib
import mmap
import os
import struct
import time
from pathlib import Path

from app.config import Settings
from app.storage import engine_of
from app.storage.locks import open_file

NAME = "requests.last"
_TIME = struct.Struct("<d")


class LastRequest:
    """One number in memory that every process of this machine with the database shares: CLOCK_MONOTONIC.

    It stands beside the locks of the workers. Where no file can be made there, nothing is known.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shared: mmap.mmap | None = None

    def note(self) -> None:
        """A request was served just now. Costs next to nothing, and never raises."""
        if (shared := self._map()) is not None:
            _TIME.pack_into(shared, 0, time.monotonic())

    def age(self) -> float:
        """Seconds since the last request; infinite if there was none, or it is of an earlier boot."""
        at = 0.0 if (shared := self._map()) is None else _TIME.unpack_from(shared)[0]
        return time.monotonic() - at if 0 < at <= time.monotonic() else float("inf")

    def _map(self) -> mmap.mmap | None:
        if self._shared is None:
            with contextlib.suppress(OSError, ValueError):
                self._shared = _mapped(engine_of(self._settings).lock_directory(self._settings) / NAME)
        return self._shared


def _mapped(path: Path) -> mmap.mmap:
    file = open_file(path)
    try:
        if os.fstat(file).st_size < _TIME.size:
            os.pwrite(file, bytes(_TIME.size), 0)  # a hole, on a disk that is full, would end the process
        return mmap.mmap(file, _TIME.size)
    finally:
        os.close(file)

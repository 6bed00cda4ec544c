"""When API keys were last used: noted after a response, by one thread, at most once a minute a key."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from app.repository import api_keys
from app.storage import Database

EVERY = 60.0
"""Seconds between two notes of one key by one process."""

log = logging.getLogger("matinee.service")


class KeyUses:
    """One a process. A use that cannot be noted now is not noted: no request waits for it or fails by it."""

    def __init__(self, database: Callable[[], Database], *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._noted: dict[str, float] = {}
        self._thread: ThreadPoolExecutor | None = None

    def note(self, prefix: str) -> None:
        """Have it written that the key is used now; returns at once."""
        now = self._clock()
        with self._lock:
            if abs(now - self._noted.get(prefix, -EVERY)) < EVERY:
                return
            self._noted[prefix] = now
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="key-uses")
            with suppress(RuntimeError):  # the process ends
                self._thread.submit(self._write, prefix, now)

    def _write(self, prefix: str, now: float) -> None:
        try:
            with self._database().write() as connection:
                api_keys.note_use(connection, prefix, now=now)
        except Exception as error:
            log.info("The use of key %s was not noted: %s", prefix, error)

    def close(self) -> None:
        """Write what has begun, and end the thread; a later use starts another."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(cancel_futures=True)

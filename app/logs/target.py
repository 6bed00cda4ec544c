"""Where the lines go: a stream that a thread of its own writes to, so that none waits for one that blocks."""

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable

from app.logs import fields

MOST = 20_000
"""Lines that wait to be written; more are dropped and counted."""
GATHER = 0.1
"""Seconds for which lines are gathered: each time the writer wakes it takes the interpreter from requests."""
LAST = 1.0
"""Seconds that the end of the process waits for the last lines."""


class Target(logging.Handler):
    """Writes lines to a file descriptor. A full queue drops the newest, and says how many once it can."""

    def __init__(self, descriptor: int, most: int = MOST) -> None:
        super().__init__()
        self._descriptor, self._most = descriptor, most
        self._lines: deque[str | Callable[[], str]] = deque()
        self._ready, self._written, self._hurry = threading.Event(), threading.Event(), threading.Event()
        self.dropped = self._told = 0
        self.is_prompt = False
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record as a line. Called under the lock of the handler."""
        try:
            line = self.format(record)
        except Exception:  # a record whose arguments do not fit: its text is shown as it stands
            line = f"{record.levelname} {record.name}: {record.msg!r} {record.args!r}"
        self.put(line)

    def put(self, line: str | Callable[[], str]) -> None:
        """Queue a line, or what returns it, which the writer calls."""
        self.acquire()
        try:
            if len(self._lines) >= self._most:
                self.dropped += 1
                return
            self._lines.append(line)
            if not self._ready.is_set():
                self._written.clear()
                self._ready.set()
                self._run()
        finally:
            self.release()
        if self.is_prompt:
            self.flush()

    def handle(self, record: logging.LogRecord) -> bool:
        """Note what the record belongs to, while its context is there."""
        record.fields = fields.current() | getattr(record, "fields", {})
        return bool(super().handle(record))

    def _run(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._write, name="matinee-log", daemon=True)
        with contextlib.suppress(
            RuntimeError
        ):  # the system has no thread to give: the next record asks again
            self._thread.start()

    def _write(self) -> None:
        while self._ready.wait():
            self._hurry.wait(GATHER)
            self._hurry.clear()
            self._ready.clear()
            self._write_waiting()
            if not self._ready.is_set():
                self._written.set()

    def _write_waiting(self) -> None:
        while self._lines:
            some = [_made(self._lines.popleft()) for _ in range(min(len(self._lines), 500))]
            if untold := self.dropped - self._told:
                self._told += untold
                some.append(self.format(_record_of(untold)))
            with contextlib.suppress(OSError, ValueError):  # its reader has gone
                _write_all(self._descriptor, "".join(line + "\n" for line in some).encode(errors="replace"))

    def flush(self, seconds: float = LAST) -> None:
        """Have what was queued written at once, and wait for that, or so long."""
        if self._lines or self._ready.is_set():
            self._hurry.set()
            self._written.wait(seconds)

    def close(self) -> None:
        self.flush()
        super().close()


def _made(line: str | Callable[[], str]) -> str:
    try:
        return line if isinstance(line, str) else line()
    except Exception:  # the writer goes on, whatever a line has in it
        return f"A line of the log could not be made: {line!r}"


def _record_of(dropped: int) -> logging.LogRecord:
    text = "%d log lines were dropped: what reads them did not keep up"
    return logging.LogRecord("matinee.logs", logging.WARNING, "", 0, text, (dropped,), None)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

"""Heartbeats: the thread that works under a lock says that it gets on, in a small file beside the lock.

A lock says that a process exists, a heartbeat that it makes progress. The record is one line of JSON of a
fixed size, written in place: it needs neither room on the disk nor a sync, and is read by other processes.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from app.storage.locks import open_file

SIZE = 1024
"""Bytes of a record."""
LEAST_PAUSE = 0.1
"""Seconds between two writes of the record; beats in between are written with the next one."""
LONGEST_SILENCE = 10.0
"""Seconds without a beat that a step may take, unless it states another time."""

VARYING = ("busy", "count", "at")

log = logging.getLogger("matinee.heartbeat")


@dataclass(frozen=True, slots=True)
class Beat:
    """A record. `place`, `pid` and `started` name one process for ever: a number that was given out again
    belongs to one that started at another time. `at` is CLOCK_MONOTONIC, the same in all processes of a boot.
    `busy`: the CPU time of its threads counts as progress, too, but for those `aside` from the work.
    """

    place: str
    pid: int
    started: int
    count: int = 0
    at: float = 0.0
    silence: float = LONGEST_SILENCE
    busy: bool = False
    task: str | None = None
    kind: str | None = None
    aside: Sequence[int] = ()


class Heartbeat:
    """Of the thread that makes it; beats of other threads do not count."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        pid = os.getpid()
        self._beat = Beat(place(), pid, start_of(pid) or 0)
        self._busy = False
        self._aside: list[int] = []
        self._fixed = ""  # the part of the record that stays the same from beat to beat
        self._files: list[int] = []
        self._count = 0
        self._written = 0.0

    def beat(self) -> None:
        """Say that the thread gets on. Costs next to nothing, and never raises."""
        if threading.get_ident() == self._thread:
            self._count += 1
            if self._files and time.monotonic() - self._written >= LEAST_PAUSE:
                self._write()

    def work_on(self, task: str | None, kind: str | None = None, silence: float = LONGEST_SILENCE) -> None:
        """What the beats are of from here on, and how long one may take to come."""
        self._beat = replace(self._beat, task=task, kind=kind, silence=silence)
        self._fixed = ""
        self._write()

    def stand_aside(self) -> None:
        """The calling thread does none of the work: what it does is no progress."""
        if threading.get_ident() != self._thread:
            self._aside.append(threading.get_native_id())  # of several threads at once
            self._fixed = ""

    def _text(self) -> str:
        beat = replace(self._beat, aside=tuple(self._aside))
        fixed = {name: value for name, value in asdict(beat).items() if name not in VARYING}
        return json.dumps(fixed).removesuffix("}")

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A step without beats, such as one call of a library: its CPU time counts as progress."""
        if self._busy or threading.get_ident() != self._thread:
            yield
            return
        self._busy = True
        self._write()
        try:
            yield
        finally:
            self._busy = False
            self._write()

    @contextmanager
    def beside(self, lock: Path) -> Iterator[None]:
        """Keep the record of a lock that this thread holds."""
        file = None
        try:
            file = open_file(record_of(lock))
            self._files.append(file)
        except OSError as error:  # a disk that is full: better a worker without a watchdog than none
            log.warning("no heartbeat can be kept beside %s: %s", lock, error)
        self._write()
        try:
            yield
        finally:
            if file is not None:
                self._files.remove(file)
                with contextlib.suppress(OSError):
                    os.ftruncate(file, 0)
                os.close(file)

    def _write(self) -> None:
        if threading.get_ident() != self._thread:
            return
        self._count += 1
        self._written = time.monotonic()
        varying = f'"busy": {int(self._busy)}, "count": {self._count}, "at": {self._written}'
        fixed = self._fixed = self._fixed or self._text()
        text = f"{fixed}, {varying}}}"
        data = text.encode().ljust(SIZE - 1) + b"\n"
        for file in self._files:
            with contextlib.suppress(OSError):
                os.pwrite(file, data, 0)


def record_of(lock: Path) -> Path:
    """Where the holder of a lock keeps its record."""
    return lock.with_suffix(".beat")


def read_beat(path: Path) -> Beat | None:
    """The record there; None if there is none, or it is being written."""
    try:
        return Beat(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def place() -> str:
    """The boot and the process namespace: a process number means the same process within both only."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def start_of(pid: int) -> int | None:
    """When a process began, in clock ticks since the boot; None if it is gone or the system does not say."""
    stat = _stat(f"/proc/{pid}/stat")
    return int(stat[19]) if stat and stat[0] != "Z" else None


class Usage(NamedTuple):
    """Of the threads of a process together: seconds on a processor, and seconds that they waited for one."""

    cpu: float
    delay: float


def usage_of(pid: int, aside: Sequence[int] = ()) -> Usage | None:
    """Without the threads `aside`; None if the process is gone or the system does not say.

    By /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst of Linux), in nanoseconds.
    """
    cpu = delay = 0
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if int(thread.name) not in aside:
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                    fields = (thread / "schedstat").read_text().split()
                    cpu, delay = cpu + int(fields[0]), delay + int(fields[1])
    except (OSError, ValueError, IndexError):
        return None
    return Usage(cpu / 1e9, delay / 1e9) if cpu else None


def _stat(path: str) -> list[str] | None:
    """The fields of proc(5) from the state on: the name before it may hold spaces and parentheses."""
    try:
        return Path(path).read_text().rpartition(")")[2].split()
    except OSError:
        return None

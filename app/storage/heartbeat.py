"""Heartbeats: the thread that works under a lock records its progress in a small file beside the lock.

A lock shows that a process exists, a heartbeat that it makes progress. The record is one line of JSON of a
fixed size, written in place for other processes to read: it needs neither room on the disk nor a sync.
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
"""Seconds between two writes of the record; the next one includes the beats in between."""
LONGEST_SILENCE = 10.0
"""Seconds that a step may take without a beat, unless it states another time."""
VARYING = ("busy", "count", "at")
"""Fields that are different in every beat."""

log = logging.getLogger("matinee.heartbeat")


@dataclass(frozen=True, slots=True)
class Beat:
    """A record. `place`, `pid` and `started` identify one process for ever: a pid that is used again belongs
    to a process that started at another time. `at` is CLOCK_MONOTONIC, the same in all processes of a boot.
    `silence`: seconds that may pass without a beat. `busy`: the CPU time of its threads counts as progress,
    too, without those in `aside` (ids of the system).
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
    """The heartbeat of the thread that makes it; calls by other threads do not count."""

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
        """Record that the thread makes progress. Costs next to nothing, and never raises."""
        if threading.get_ident() == self._thread:
            self._count += 1
            if self._files and time.monotonic() - self._written >= LEAST_PAUSE:
                self._write()

    def work_on(self, task: str | None, kind: str | None = None, silence: float = LONGEST_SILENCE) -> None:
        """Name the task that the beats are for from here on; `silence`: seconds that may pass without one."""
        self._beat = replace(self._beat, task=task, kind=kind, silence=silence)
        self._fixed = ""
        self._write()

    def stand_aside(self) -> None:
        """Exclude the calling thread: its CPU time is no progress of the work."""
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
        """Keep the record of a lock while this thread holds it."""
        file = None
        try:
            file = open_file(record_of(lock))
            self._files.append(file)
        except OSError as error:  # such as a full disk: a worker without a watchdog is better than none
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
    """The boot and the process namespace: a pid identifies a process only within both."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def start_of(pid: int) -> int | None:
    """When a process started, in clock ticks since the boot; None if it is gone or that is not known."""
    try:  # the fields of proc(5) from the state on: the name before it may hold spaces and parentheses
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(stat[19]) if stat[0] != "Z" else None


def lives(beat: Beat) -> bool:
    """Whether the process of a record is there. One of another boot or container cannot be judged."""
    if beat.place != place():
        return False
    return start_of(beat.pid) == beat.started if beat.started else _exists(beat.pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Usage(NamedTuple):
    """Sums over the threads of a process: seconds on a processor, and seconds that they waited for one."""

    cpu: float
    delay: float


def usage_of(pid: int, aside: Sequence[int] = ()) -> Usage | None:
    """The usage of a process without its threads `aside`; None if it is gone or the system does not say.

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

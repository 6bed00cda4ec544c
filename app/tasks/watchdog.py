"""Watching the heartbeat beside a lock: whether its holder makes progress, and ending one that does not."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from app.storage.heartbeat import Beat, Usage, lives, read_beat, usage_of

LONGEST_LOOK = 2.0
"""Seconds that one look may add to a silence. After a longer pause this process itself stood still, as it
does when the machine sleeps: what it did not see, it does not hold against another."""


class Watchdog:
    """Looks at the record of one lock again and again.

    A process is `late` when it has been silent for longer than its longest step may take, and `stuck` after
    `spans` such times. Time in which its threads wait for a processor does not count: on a machine where
    others have the priority, a step takes long that does nothing wrong.
    """

    def __init__(self, record: Path, spans: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._record, self._spans, self._clock = record, spans, clock
        self._looked = clock()
        self._progress: tuple[int, ...] = ()
        self._usage: Usage | None = None
        self._waited = self._delayed = 0.0
        self.beat: Beat | None = None

    @property
    def silent(self) -> float:
        """Seconds without progress."""
        return max(0.0, self._waited - self._delayed)

    def look(self) -> None:
        """Compare the record with that of the last look."""
        now = self._clock()
        passed, self._looked = min(now - self._looked, LONGEST_LOOK), now
        beat = read_beat(self._record)
        self.beat = beat if beat is not None and lives(beat) else None
        if self.beat is None:
            self._forget()
            return
        progress = (self.beat.pid, self.beat.started, self.beat.count)
        if progress != self._progress:
            self._forget(progress)
            return
        before, self._usage = self._usage, usage_of(self.beat.pid, self.beat.aside)
        if self.beat.busy and self._has_computed(before):
            self._waited = self._delayed = 0.0
            return
        self._waited += passed
        if before is not None and self._usage is not None:
            self._delayed += max(0.0, self._usage.delay - before.delay)

    def _has_computed(self, before: Usage | None) -> bool:
        """Whether CPU time was used since the last look; taken for granted where the system does not say."""
        return before is None or self._usage is None or self._usage.cpu > before.cpu

    def _forget(self, progress: tuple[int, ...] = ()) -> None:
        self._progress, self._usage = progress, None
        self._waited = self._delayed = 0.0

    @property
    def late(self) -> bool:
        return self.beat is not None and self.silent > self.beat.silence * min(1.0, self._spans)

    @property
    def stuck(self) -> bool:
        return self.beat is not None and self.silent > self.beat.silence * self._spans

    def stands_with(self, other: "Watchdog") -> bool:
        """Whether another thread of the same process, at work on a task, stands still as well."""
        if self.beat is None or other.beat is None or self.beat.task is None:
            return False
        return self.beat.pid == other.beat.pid and self.silent > other.silent / 2

    def story(self) -> str:
        """What is wrong with a process that is late, in words."""
        if self.beat is None:
            return ""
        on = f" on task {self.beat.task} ({self.beat.kind})" if self.beat.task else ""
        return f"worker {self.beat.pid} has not made progress for {self.silent:.0f} s{on}"

    def kill(self) -> None:
        """End the process, if it is still that of the record. Raises `OSError` where that is refused."""
        if self.beat is not None:
            _kill(self.beat)
        self._forget()


def _kill(beat: Beat) -> None:
    """By a descriptor of the process, where there are such: its number may be given out again meanwhile."""
    descriptor = None
    with contextlib.suppress(AttributeError, OSError):
        descriptor = os.pidfd_open(beat.pid)
    try:
        if not lives(beat):
            return
        if descriptor is not None:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        else:
            os.kill(beat.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        if descriptor is not None:
            os.close(descriptor)

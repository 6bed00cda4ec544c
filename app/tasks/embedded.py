"""The embedded worker, seen from the API process: a child that is started, watched, replaced and ended."""

import atexit
import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from app.config import Settings
from app.process import CAN_LEAVE, processors_besides_the_api, worker_name
from app.storage import engine_of, places_of
from app.storage.heartbeat import record_of
from app.tasks.watchdog import Watchdog

LOOK_EVERY = 0.25
"""Seconds between two looks at the worker."""
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds to wait before a worker that ended, or could not be started, is replaced; doubled each time until
one has lived for a while."""
LIVED = 60.0
"""Seconds: a while."""
OFTEN = 3
"""After so many that ended in a row, the worker is not ready."""

log = logging.getLogger("matinee.embedded")


@dataclass(frozen=True, slots=True)
class WorkerState:
    """The worker that runs the tasks of this machine. `beat_age`: seconds since its last heartbeat.

    `problem` says why no task makes progress, if that is so.
    """

    pid: int | None
    beat_age: float | None
    task: str | None
    kind: str | None
    problem: str | None


class EmbeddedWorker:
    """One worker process. Its standard input is the wire: a byte wakes it, end of file ends it.

    A thread supervises it, and whichever process holds the locks of a worker: one that makes no progress
    is killed, since no other can do its work as long as it holds them. No error ends the thread.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._delay, self._due, self._started = FIRST_DELAY, 0.0, 0.0
        self._ended = 0  # workers in a row that did not live for long
        self._trouble = ""
        self._has_own_places = engine_of(settings).workers.many
        self._dogs = self._dogs_of(None)
        self._thread: threading.Thread | None = None
        self._keep_running()
        self._supervise()
        atexit.register(self.close)

    def wake(self) -> None:
        """Have it look into the queue now. Never waits: a full pipe means that it will look anyway."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._process is not None and self._process.stdin is not None:
                os.write(self._process.stdin.fileno(), b".")

    def state(self) -> WorkerState:
        """Who runs the tasks, and whether that goes well."""
        self._supervise()
        beat = self._dogs[0].beat
        late = next((dog.story() for dog in self._dogs if dog.late), None)
        problem = late or self._trouble or None
        if beat is None:
            return WorkerState(None, None, None, None, problem)
        return WorkerState(beat.pid, max(0.0, time.monotonic() - beat.at), beat.task, beat.kind, problem)

    def close(self) -> None:
        """End it: it checkpoints within the grace period, then it is killed."""
        with self._lock:
            self._closing.set()
            process = self._process
        if process is not None:
            _hang_up(process)
            try:
                process.wait(self._settings.shutdown_grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        atexit.unregister(self.close)

    def _dogs_of(self, pid: int | None) -> list[Watchdog]:
        """For the places of a worker, and the lock that it may hold before it has them."""
        places = places_of(self._settings, worker_name(pid))
        return [Watchdog(record_of(lock), self._settings.worker_patience) for lock in places]

    def _supervise(self) -> None:
        """See that the thread runs: the system may have had none to give before."""
        with self._lock:
            if self._closing.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            thread = threading.Thread(target=self._watch, name="matinee-worker-watch", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                log.error("the worker is not supervised: %s", error)
            else:
                self._thread = thread

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_EVERY):
            try:
                self._look()
            except Exception:
                log.exception("supervising the worker failed; it goes on")

    def _look(self) -> None:
        for dog in self._dogs:
            dog.look()
        for dog in self._dogs:
            if dog.stuck:
                at_work = next((one for one in self._dogs if one.stands_with(dog)), dog)
                _end(dog, at_work.story())
        self._keep_running()

    def _keep_running(self) -> None:
        """Start a worker if none runs and one is due."""
        now, process = time.monotonic(), self._process
        if process is not None and process.poll() is None:
            if now - self._started >= LIVED:
                self._delay, self._ended = FIRST_DELAY, 0
            if self._ended < OFTEN:
                self._trouble = ""
            return
        if process is not None:
            self._note_end(process, now)
        elif now >= self._due:
            self._start(now)

    def _note_end(self, process: subprocess.Popen[bytes], now: float) -> None:
        if self._closing.is_set():
            return
        log.warning("worker %d ended with %s; another is started", process.pid, process.returncode)
        _hang_up(process)
        self._process = None
        self._ended += 1
        if self._ended >= OFTEN:
            self._trouble = f"the worker ended {self._ended} times in a row, with {process.returncode}"
        self._put_off(now)

    def _start(self, now: float) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            try:
                self._process, self._started = _spawn(self._settings), now
                if self._has_own_places:
                    self._dogs = self._dogs_of(self._process.pid)
            except Exception as error:  # no descriptors, no memory, no processes: there may be some later
                self._trouble = f"the worker cannot be started: {error}"
                log.error("%s; it is tried again", self._trouble)
                self._put_off(now)

    def _put_off(self, now: float) -> None:
        self._due = now + self._delay
        self._delay = min(self._delay * 2, LONGEST_DELAY)


def _end(dog: Watchdog, story: str) -> None:
    try:
        dog.kill()
    except OSError as error:
        log.error("%s, and it cannot be killed: %s", story, error)
    else:
        log.warning("%s; killed, another is started", story)


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "worker", "--embedded"],
        stdin=subprocess.PIPE,
        bufsize=0,
        env=os.environ | _for_worker(settings).to_environment() | {"PYTHONPATH": path},
    )
    if process.stdin is not None:
        os.set_blocking(process.stdin.fileno(), False)
    return process


def _for_worker(settings: Settings) -> Settings:
    """With one thread less, where the system cannot keep the worker off a processor while requests come."""
    if CAN_LEAVE:
        return settings
    return replace(settings, train_threads=settings.train_threads or processors_besides_the_api())

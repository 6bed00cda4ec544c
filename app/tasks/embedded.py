"""The embedded worker, seen from the API process: a child that is started, woken, replaced and ended."""

import atexit
import contextlib
import logging
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from app.config import Settings
from app.tasks.processors import besides_the_api

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds to wait before a worker that died is replaced; doubled each time until one has lived a while."""

log = logging.getLogger("matinee.embedded")


class EmbeddedWorker:
    """One worker process. Its standard input is the wire: a byte wakes it, end of file ends it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._process = self._spawn()
        threading.Thread(target=self._watch, name="matinee-worker-watch", daemon=True).start()
        atexit.register(self.close)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wake(self) -> None:
        """Have it look into the queue now. Never waits: a full pipe means that it will look anyway."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                os.write(self._process.stdin.fileno(), b".")

    def close(self) -> None:
        """End it: it checkpoints within the grace period, then it is killed."""
        with self._lock:
            self._closing.set()
            process = self._process
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        try:
            process.wait(self._settings.shutdown_grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        atexit.unregister(self.close)

    def _spawn(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker", "--embedded"],
            stdin=subprocess.PIPE,
            bufsize=0,
            env=os.environ | _for_worker(self._settings).to_environment() | {"PYTHONPATH": path},
        )
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
        return process

    def _watch(self) -> None:
        delay = FIRST_DELAY
        while True:
            process = self._process
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                delay = FIRST_DELAY
                continue
            if self._closing.is_set():
                return
            log.warning("worker %d ended with %s; starting another", process.pid, process.returncode)
            if self._closing.wait(delay):
                return
            delay = min(delay * 2, LONGEST_DELAY)
            with self._lock:
                if self._closing.is_set():
                    return
                self._process = self._spawn()


def _for_worker(settings: Settings) -> Settings:
    """With what the API needs beside it."""
    return replace(settings, train_threads=settings.train_threads or besides_the_api())

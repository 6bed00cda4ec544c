"""The worker: claims queued tasks in order and runs them in itself, one at a time."""

import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from app.config import Settings
from app.errors import AppError
from app.repository import tasks
from app.storage import Database, open_database
from app.tasks.attempt import Attempt, Cancelled, Stopped
from app.tasks.task import CANCELLED, FAILED, IMPORT_RATINGS, QUEUED, REBUILD_MODEL

KINDS = {IMPORT_RATINGS: "app.tasks.import_ratings", REBUILD_MODEL: "app.tasks.rebuild_model"}
"""The module of each kind; its `run(attempt)` does the work and completes the task."""

IDLE = 0.5
"""Seconds between two looks into the queue; a wake-up through the pipe cuts it short."""

log = logging.getLogger("matinee.worker")


class Worker:
    """Runs tasks until it is told to stop. Only one of them per database: the holder of the runner lock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._awake = threading.Event()
        self._stop = threading.Event()

    def wake(self) -> None:
        self._awake.set()

    def stop(self) -> None:
        """End at the next safe point; if none comes within the grace period, end the process as it is."""
        if not self._stop.is_set():
            self._stop.set()
            self._awake.set()
            timer = threading.Timer(self.settings.shutdown_grace * 0.6, os._exit, (0,))
            timer.daemon = True
            timer.start()

    def run(self) -> None:
        database = open_database(self.settings, durable=False)
        with database.exclusive("runner"):
            log.info("worker %d runs tasks", os.getpid())
            with database.write() as connection:
                left = tasks.recover(connection, crashes=self.settings.task_crashes, now=time.time())
            for task in left:
                log.warning("task %s (%s) was left by a worker that died", task.id, task.kind)
            while not self._stop.is_set():
                if not run_next(database, self.settings, self._stop.is_set):
                    self._awake.wait(IDLE)
                    self._awake.clear()
        database.close()


def run_next(database: Database, settings: Settings, stopping: Callable[[], bool] = lambda: False) -> bool:
    """Claim the task that has waited longest and run it; False if there is none."""
    with database.read() as connection:
        if not tasks.has_queued(connection):
            return False
    with database.write() as connection:
        task = tasks.claim(connection, now=time.time())
    if task is None:
        return False
    execute(Attempt(task, database, settings, stopping=stopping))
    return True


def execute(attempt: Attempt) -> None:
    """Run one attempt to its end and write down how it ended."""
    task, started = attempt.task, attempt.clock()
    log.info("task %s (%s) attempt %d", task.id, task.kind, task.attempt)
    try:
        importlib.import_module(KINDS[task.kind]).run(attempt)
    except Stopped:
        _end(attempt, status=QUEUED)
    except Cancelled:
        _end(attempt, status=CANCELLED, finished_at=attempt.clock())
    except tasks.Fenced as reason:
        log.warning("%s", reason)
    except AppError as error:
        _end(attempt, status=FAILED, error=error.problem(), finished_at=attempt.clock())
    except Exception as error:
        log.exception("task %s failed", task.id)
        problem = AppError(f"{type(error).__name__}: {error}").problem()
        _end(attempt, status=FAILED, error=problem, finished_at=attempt.clock())
    log.info("task %s ended after %.2f s", task.id, attempt.clock() - started)


def _end(attempt: Attempt, **values: Any) -> None:
    try:
        with attempt.database.write() as connection:
            tasks.advance(connection, attempt.task, values)
    except tasks.Fenced as reason:
        log.warning("%s", reason)


def main(settings: Settings, *, embedded: bool) -> None:
    """Run a worker in this process. `embedded`: standard input is the wire to the parent."""
    os.nice(settings.worker_nice)
    worker = Worker(settings)
    _handle_signals(worker, embedded)
    if embedded:
        threading.Thread(target=_follow_parent, args=(worker.wake, worker.stop), daemon=True).start()
    worker.run()


def _handle_signals(worker: Worker, embedded: bool) -> None:
    def end(_signal: int, _frame: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
        signal.signal(signal.SIGINT, lambda *_: os._exit(1))
        # A thread of its own: the handler may have interrupted the very lock that stop() needs.
        threading.Thread(target=worker.stop).start()

    signal.signal(signal.SIGTERM, end)
    # Ctrl-C reaches the whole process group; the parent decides, and tells by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN if embedded else end)


def _follow_parent(wake: Callable[[], None], stop: Callable[[], None]) -> None:
    while os.read(sys.stdin.fileno(), 64):
        wake()
    stop()  # end of file: the parent is gone

"""The worker: claims queued tasks in order and runs them in itself, one at a time."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from app.config import Settings
from app.imports.counts import settle
from app.process import be_nice
from app.repository import tasks
from app.storage import Database, open_database
from app.storage.heartbeat import Heartbeat
from app.storage.private import be_private
from app.task import CANCELLING
from app.tasks.attempt import Attempt
from app.tasks.execution import execute
from app.tasks.schedule import Schedule

IDLE = 0.5
"""Seconds between two looks into the queue; a wake-up through the pipe cuts it short."""

CANCEL_GRACE = 0.6
"""Seconds that a cancelled task has to reach a safe point before the worker starts anew without it."""

WATCH = 0.2
"""Seconds between two looks at whether the running task was cancelled."""

log = logging.getLogger("matinee.worker")


class Worker:
    """Runs tasks until it is told to stop. Only one of them per database: the holder of the runner lock."""

    def __init__(self, settings: Settings, *, start_anew: Callable[[], None]) -> None:
        self.settings = settings
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._start_anew = start_anew
        self._heartbeat = Heartbeat()
        self._awake = threading.Event()
        self._stop = threading.Event()
        self._running: Attempt | None = None

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

    def follow_parent(self) -> None:
        """Wake up at each byte on standard input; stop at its end, when the parent is gone."""
        self._heartbeat.stand_aside()
        while os.read(sys.stdin.fileno(), 64):
            self.wake()
        self.stop()

    def run(self) -> None:
        database = open_database(self.settings, durable=False, heartbeat=self._heartbeat)
        with database.exclusive("runner"):
            log.info("worker %s runs tasks", self.name)
            schedule = Schedule(database, self.settings)  # before anything is written at this clock's time
            self._take_up(database)
            threading.Thread(target=self._watch, args=(database,), daemon=True).start()
            while not self._stop.is_set():
                if not self._run_next(database):
                    self._look(schedule)
                    self._awake.wait(IDLE)
                    self._awake.clear()
        database.close()

    def _look(self, schedule: Schedule) -> None:
        try:
            schedule.look()
        except Exception as error:
            log.warning("what is due by schedule is looked at again later: %s", error)

    def _take_up(self, database: Database) -> None:
        with database.write() as connection:
            left = tasks.recover(connection, crashes=self.settings.task_crashes, now=time.time())
        for task in left:
            log.warning("task %s (%s) was left by a worker that died", task.id, task.kind)
        settle(database, database.write)

    def _run_next(self, database: Database) -> bool:
        return run_next(
            database, self.settings, name=self.name, stopping=self._stop.is_set, running=self._set_running
        )

    def _set_running(self, attempt: Attempt | None) -> None:
        self._running = attempt

    def _watch(self, database: Database) -> None:
        """Some phases have no safe point for a while; a cancel is not kept waiting for them."""
        self._heartbeat.stand_aside()
        since: tuple[Attempt, float] | None = None
        while not self._stop.wait(WATCH):
            attempt = self._running
            if attempt is None:
                continue
            try:
                with database.read() as connection:
                    task = tasks.get(connection, attempt.task.id)
            except Exception as error:  # the next look may find the database again
                log.warning("task %s is not watched for a cancel: %s", attempt.task.id, error)
                continue
            if task is None or task.status != CANCELLING or task.attempt != attempt.task.attempt:
                continue
            now = time.monotonic()
            if since is None or since[0] is not attempt:
                since = attempt, now
            elif now - since[1] >= CANCEL_GRACE and self._running is attempt:
                log.warning("task %s has no safe point; starting anew without it", task.id)
                self._start_anew()


def run_next(
    database: Database,
    settings: Settings,
    *,
    name: str = "",
    stopping: Callable[[], bool] = lambda: False,
    running: Callable[[Attempt | None], None] = lambda _attempt: None,
) -> bool:
    """Claim the task that is due and has waited longest and run it; False if there is none."""
    with database.read() as connection:
        if not tasks.has_due(connection, now=time.time()):
            return False
    with database.write() as connection:
        task = tasks.claim(connection, now=time.time(), worker=name)
    if task is None:
        return False
    attempt = Attempt(task, database, settings, stopping=stopping)
    running(attempt)
    try:
        execute(attempt)
    finally:
        running(None)
    return True


def main(settings: Settings, *, embedded: bool) -> None:
    """Run a worker in this process. `embedded`: standard input is the wire to the parent."""
    be_private()
    be_nice(settings.worker_nice)
    worker = Worker(settings, start_anew=_start_anew)
    _handle_signals(worker, embedded)
    if embedded:
        threading.Thread(target=worker.follow_parent, daemon=True).start()
    worker.run()


def _start_anew() -> None:
    """Become a fresh worker: same process, same wire, no locks, no threads, nothing in memory."""
    arguments = [sys.executable, *sys.orig_argv[1:]]
    os.execv(sys.executable, arguments)  # noqa: S606


def _handle_signals(worker: Worker, embedded: bool) -> None:
    def end(_signal: int, _frame: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
        signal.signal(signal.SIGINT, lambda *_: os._exit(1))
        # A thread of its own: the handler may have interrupted the very lock that stop() needs.
        threading.Thread(target=worker.stop).start()

    signal.signal(signal.SIGTERM, end)
    # Ctrl-C reaches the whole process group; the parent decides, and tells by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN if embedded else end)

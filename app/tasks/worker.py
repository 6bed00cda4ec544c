"""The worker: claims queued tasks and runs them in itself, in each lane one at a time."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError, IntegrityError

from app import logs, traces
from app.config import Settings
from app.errors import Unavailable
from app.process import be_nice, leave_one_processor, return_memory, worker_name
from app.repository import leases
from app.storage import Database, open_database
from app.storage.failures import explain
from app.storage.heartbeat import Heartbeat, record_of
from app.storage.private import be_private
from app.storage.workers import RUNNER
from app.tasks.attempt import Attempt
from app.tasks.courtesy import Courtesy
from app.tasks.execution import execute, is_transient
from app.tasks.kinds import LANES, MODEL, OUTSIDE, RATINGS, names
from app.tasks.lanes import claim, left_behind, look_after, next_due, recover
from app.tasks.schedule import Schedule, tidy
from app.tasks.watch import Line, Watch
from app.tasks.watchdog import Watchdog

log = logging.getLogger("matinee.worker")


class Worker:
    """Runs tasks until `stop` is called; on SQLite only one of them at a time, which holds the runner lock.

    Imports, undos and rebuilds run one at a time in the main thread: two that compute at once would take
    from the API the processor that is left to it. What waits for other services more than it computes runs
    in a thread beside, with a database and a heartbeat of its own, so that it holds no import up.
    """

    def __init__(self, settings: Settings, *, re_exec: Callable[[], None]) -> None:
        self.settings = settings
        self.name = worker_name()
        self.main, self.beside = Line(RATINGS, MODEL), Line(OUTSIDE)
        self._re_exec = re_exec
        self._heartbeat = Heartbeat()
        self._stop = threading.Event()
        self._error: BaseException | None = None

    def wake(self) -> None:
        for line in (self.main, self.beside):
            line.awake.set()

    def stop(self) -> None:
        """End at the next safe points; the process as it is, if they do not come within the grace period."""
        if not self._stop.is_set():
            self._stop.set()
            self.wake()
            status = 0 if self._error is None else 1
            timer = threading.Timer(self.settings.shutdown_grace * 0.6, _exit, (status,))
            timer.daemon = True
            timer.start()

    def follow_parent(self) -> None:
        """Wake up at each byte on standard input; stop at its end, when the parent is gone."""
        self._heartbeat.stand_aside()
        while os.read(sys.stdin.fileno(), 64):
            self.wake()
        self.stop()

    def run(self) -> None:
        """Raises what ended the thread beside, once the main thread's task is back in the queue."""
        database = open_database(self.settings, durable=False, heartbeat=self._heartbeat)
        left = database.workers.left(database)
        with self._at_work(self.main, database, RUNNER):
            log.info("worker %s runs tasks", self.name)
            schedule = Schedule(database, self.settings)  # before anything is written at this clock's time
            for watch in (self._watch, self._listen, self._look_after):
                threading.Thread(target=watch, args=(database,), daemon=True).start()
            self._take_up(database, left)
            beside = threading.Thread(target=self._run_beside, daemon=True)
            if names(OUTSIDE):
                beside.start()
            self._work(self.main, database, idle=lambda: self._look(schedule))
            if beside.ident is not None:
                beside.join()
        database.close()
        if self._error is not None:
            raise self._error

    def _run_beside(self) -> None:
        """In a place of its own, beside which its heartbeat is kept."""
        self._heartbeat.stand_aside()
        try:
            database = open_database(self.settings, durable=False, heartbeat=Heartbeat())
            with self._at_work(self.beside, database, OUTSIDE):
                self._work(self.beside, database)
            database.close()
        except BaseException as error:  # the worker ends, as for one of the main thread
            self._error = error
            self.stop()

    @contextmanager
    def _at_work(self, line: Line, database: Database, place: str) -> Iterator[None]:
        with database.workers.at_work(database, place, self.name) as lock:
            line.dog = Watchdog(record_of(lock), self.settings.worker_patience)
            yield

    def _work(self, line: Line, database: Database, idle: Callable[[], object] = lambda: None) -> None:
        while not self._stop.is_set():
            if not self._run_next(line, database):
                idle()
                line.awake.wait(database.workers.idle)
                line.awake.clear()

    def _run_next(self, line: Line, database: Database) -> bool:
        """Run a task if one is due. A database of many workers may go away meanwhile, and come back.

        Of an attempt whose end could not be written the lease runs out. With one worker at a time what is
        raised here ends it, and the next one takes up what it left.
        """
        try:
            found = run_next(database, self.settings, line, name=self.name, stopping=self._stop.is_set)
        except (Unavailable, DBAPIError) as error:
            if not (database.workers.many and is_transient(error)):
                raise
            log.warning("no task is looked for until the database is back: %s", explain(error))
            return False
        if found:
            return_memory()
        return found

    def _look(self, schedule: Schedule) -> None:
        try:
            schedule.look()
        except Exception as error:
            log.warning("what is due by schedule is looked at again later: %s", error)

    def _take_up(self, database: Database, left: Collection[str] | None) -> None:
        """What workers of this machine have left that are gone; leases tell of what others leave."""
        with database.write() as connection:
            crashes = self.settings.task_crashes
            leases.take_up(connection, left, crashes=crashes, now=time.time(), by=self.name)
        tidy(database)

    def _watch(self, database: Database) -> None:
        self._heartbeat.stand_aside()
        watch = Watch(database, self.settings, (self.main, self.beside), self._re_exec)
        courtesy = Courtesy(self.settings, (self.main, self.beside))
        courtesy.look()
        while not self._stop.wait(database.workers.watch):
            watch.look()
            courtesy.look()

    def _look_after(self, database: Database) -> None:
        self._heartbeat.stand_aside()
        while database.workers.many and not self._stop.wait(database.workers.idle):
            look_after(database, self.settings, self.name)

    def _listen(self, database: Database) -> None:
        self._heartbeat.stand_aside()
        database.workers.listen(database, self.wake, self._stop)


def run_next(
    database: Database,
    settings: Settings,
    line: Line | None = None,
    *,
    name: str = "",
    stopping: Callable[[], bool] = lambda: False,
) -> bool:
    """Claim the task of the line's lanes that is due and run it; False if there is none."""
    line = line or Line(*LANES)
    with database.read() as connection:
        left = left_behind(connection, line.lanes)
        if not left and next_due(connection, now=time.time(), lanes=line.lanes) is None:
            return False
    if left:
        recover(database, settings, left, name)
    try:
        with database.write() as connection:
            task = claim(connection, now=time.time(), worker=name, lanes=line.lanes, lease=settings.lease)
    except IntegrityError:
        return False
    if task is None:
        return False
    line.attempt = Attempt(task, database, settings, stopping=stopping)
    try:
        execute(line.attempt)
    finally:
        line.attempt = None
    return True


def main(settings: Settings, *, embedded: bool) -> None:
    """Run a worker in this process. `embedded`: standard input is the wire to the parent."""
    be_private()
    be_nice(settings.worker_nice)
    traces.start()
    worker = Worker(settings, re_exec=_re_exec)
    _handle_signals(worker, embedded)
    if embedded:
        threading.Thread(target=worker.follow_parent, daemon=True).start()
    worker.run()


def _exit(status: int) -> None:
    logs.flush()
    os._exit(status)


def _re_exec() -> None:
    """Become a fresh worker: same process, same wire, no locks, no threads, nothing in memory."""
    logs.flush()
    leave_one_processor(False)  # the fresh one has what this one has, and would take it for all there are
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

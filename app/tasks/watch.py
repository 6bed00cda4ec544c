"""Watching a worker's attempts from a thread beside: whether they are cancelled, and keeping their leases."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from app.config import Settings
from app.repository import leases, tasks
from app.storage import Database
from app.task import CANCELLING, Task
from app.tasks.attempt import Attempt
from app.tasks.watchdog import Watchdog

CANCEL_GRACE = 0.6
"""Seconds that a cancelled task has to reach a safe point before a re-exec ends it."""
EXTENSIONS = 3
"""In the time of a lease; what writes all the time extends its own as well."""

log = logging.getLogger("matinee.worker")


class Line:
    """One of the worker's threads, and the lanes whose tasks it runs."""

    def __init__(self, *lanes: str) -> None:
        self.lanes = lanes
        self.awake = threading.Event()
        self.attempt: Attempt | None = None
        self.dog: Watchdog | None = None


class Watch:
    """Looks at the attempts of a worker's lines.

    Some phases have no safe point for a while: a cancel is not kept waiting for them. Some write nothing for
    a while: their leases are extended, but only while they make progress, so that no task stays with a worker
    that stands still. `re_exec` becomes a fresh worker; a task of another line goes on from its checkpoint
    then.
    """

    def __init__(
        self, database: Database, settings: Settings, lines: Sequence[Line], re_exec: Callable[[], None]
    ) -> None:
        self._database, self._settings, self._lines = database, settings, lines
        self._re_exec = re_exec
        self._cancelled: dict[Attempt, float] = {}
        self._extended: dict[Attempt, float] = {}

    def look(self) -> None:
        """At every line, once."""
        for line in self._lines:
            if line.dog is not None:
                line.dog.look()
            if (attempt := line.attempt) is not None:
                self._look_at(line, attempt, time.monotonic())
        at_work = [line.attempt for line in self._lines]
        for since in (self._cancelled, self._extended):
            for ended in since.keys() - at_work:
                del since[ended]

    def _look_at(self, line: Line, attempt: Attempt, now: float) -> None:
        is_stuck = line.dog is not None and line.dog.stuck
        if attempt.lost:
            if is_stuck and line.attempt is attempt:
                log.warning("task %s was lost, and stands still here; re-exec without it", attempt.task.id)
                self._re_exec()
            return
        task = self._row_of(attempt, now, is_stuck)
        if task is not None and task.status == CANCELLING:
            since = self._cancelled.setdefault(attempt, now)
            if now - since >= CANCEL_GRACE and line.attempt is attempt:
                log.warning("task %s has no safe point; re-exec without it", attempt.task.id)
                self._re_exec()

    def _row_of(self, attempt: Attempt, now: float, is_stuck: bool) -> Task | None:
        """The row of the attempt, with a longer lease where that is due; None if it is no longer there."""
        extended = self._extended.setdefault(attempt, now)
        try:
            is_early = now - extended < self._settings.lease / EXTENSIONS
            if is_stuck or is_early or not self._database.workers.many:
                task = self._read(attempt)
            else:
                with self._database.write() as connection:
                    task = leases.extend(connection, attempt.task, self._settings.lease)
                self._extended[attempt] = now
        except Exception as error:  # the next look may find the database again
            log.warning("task %s is not watched for a cancel: %s", attempt.task.id, error)
            return None
        if task is None:
            attempt.lost = True
        return task

    def _read(self, attempt: Attempt) -> Task | None:
        with self._database.read() as connection:
            task = tasks.get(connection, attempt.task.id)
        return task if task is not None and task.attempt == attempt.task.attempt and not task.ended else None

"""What is old is deleted: tasks with what they and their kinds keep, expired logins, rows of the audit."""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import Connection

from app.config import Settings
from app.repository import audit, keys, sessions, tasks
from app.storage import Database
from app.task import ACTIVE, RETRIABLE
from app.tasks.kinds import kinds

DAY = 24 * 3600
AT_ONCE = 100
"""Tasks, or other rows, of one transaction."""
LONGEST = 1.0
"""Seconds after which it makes way for tasks that may be waiting."""

log = logging.getLogger("matinee.retention")


class SteadyTime:
    """The time by which ages are judged, in epoch seconds.

    It starts at that of the newest task, login or row of the audit, if the clock is ahead of that, and passes
    as fast as time does: a clock that jumps ahead, before a start or after it, makes nothing old. A span
    without any of them does not count, nor one without a worker.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        with database.read() as connection:
            latest = max(_times(connection), default=clock())
        self._clock, self._monotonic = clock, monotonic
        self._start = min(clock(), latest)
        self._since = monotonic()

    def __call__(self) -> float:
        return min(self._clock(), self._start + self._monotonic() - self._since)


def _times(connection: Connection) -> Iterator[float]:
    """Of the newest rows."""
    for latest in (tasks.latest_time, sessions.newest, audit.newest):
        if (time := latest(connection)) is not None:
            yield time


def clean(
    database: Database, settings: Settings, *, now: float, monotonic: Callable[[], float] = time.monotonic
) -> bool:
    """Delete what is older than the settings say; False if it is to be called again to go on.

    Safe to stop anywhere and to do again.
    """
    end = monotonic() + LONGEST
    if not _forget_tasks(database, now - max(1.0, settings.keep_tasks) * DAY, lambda: monotonic() >= end):
        return False
    _forget_keys(database, now=now)
    _forget_logins(database, settings, now=now)
    _forget_audit(database, settings, now=now)
    with database.read() as connection:
        needed = tasks.ids(connection, ACTIVE) | tasks.ids(connection, RETRIABLE, since=now - DAY)
    remove(entries(settings.data_dir / "work"), keep=needed)
    for kind in kinds():
        kind.clean(database, settings, now)
    return True


def _forget_tasks(database: Database, before: float, is_late: Callable[[], bool]) -> bool:
    """What their kinds keep of them first, where it is much; False if that takes too long."""
    while True:
        if not all(kind.release(database, before, is_late) for kind in kinds()):
            return False
        with database.write() as connection:
            keep = set[str]().union(*(kind.needed(connection) for kind in kinds()))
            old = tasks.forget(connection, before=before, limit=AT_ONCE, keep=keep)
        if not old:
            return True
        log.info("forgot %d tasks", len(old))


def _forget_keys(database: Database, *, now: float) -> None:
    """Those that are a day older than the newest one, so that a clock that is ahead deletes no fresh key."""
    with database.read() as connection:
        before = min(now, keys.newest(connection)) - DAY
    _in_steps(database, keys.forget, before)


def _forget_logins(database: Database, settings: Settings, *, now: float) -> None:
    """Those that had expired when the newest row was written; and tokens that no thief can use any more."""
    with database.read() as connection:
        before = min(now, max(_times(connection), default=0.0))
    _in_steps(database, sessions.forget_expired, before)
    _in_steps(database, sessions.forget_invitations, before)
    _in_steps(database, sessions.forget_used, before - settings.session_days * DAY)


def _forget_audit(database: Database, settings: Settings, *, now: float) -> None:
    with database.read() as connection:
        newest = audit.newest(connection)
    if newest is not None:
        _in_steps(database, audit.forget, min(now, newest) - max(1.0, settings.keep_audit) * DAY)


def _in_steps(database: Database, forget: Callable[..., int], before: float) -> None:
    forgotten = AT_ONCE
    while forgotten == AT_ONCE:
        with database.write() as connection:
            forgotten = forget(connection, before=before, limit=AT_ONCE)


def entries(directory: Path) -> Iterable[Path]:
    """What is in a folder, which need not be there."""
    return sorted(directory.iterdir()) if directory.is_dir() else ()


def remove(paths: Iterable[Path], *, keep: set[str], newest: float | None = None) -> None:
    """Remove what is not kept; with `newest`, only what was written before that time."""
    for path in paths:
        with suppress(FileNotFoundError):  # an upload is renamed once it is whole
            if path.name in keep or (newest is not None and path.stat().st_mtime > newest):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

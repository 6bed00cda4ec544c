"""Old tasks are deleted, with what they and their kinds keep."""

import logging
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from app.config import Settings
from app.repository import keys, tasks
from app.storage import Database
from app.task import ACTIVE, RETRIABLE
from app.tasks.kinds import kinds

DAY = 24 * 3600
AT_ONCE = 100
"""Tasks of one transaction."""
LONGEST = 1.0
"""Seconds after which it makes way for tasks that may be waiting."""

log = logging.getLogger("matinee.retention")


class SteadyTime:
    """The time by which ages are judged, in epoch seconds.

    It starts at the newest task's, if the clock is ahead of that, and passes as fast as time does: a clock
    that jumps ahead, before a start or after it, makes nothing old. A span without tasks or a
    worker does not count.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        with database.read() as connection:
            latest = tasks.latest_time(connection)
        self._clock, self._monotonic = clock, monotonic
        self._start = clock() if latest is None else min(clock(), latest)
        self._since = monotonic()

    def __call__(self) -> float:
        return min(self._clock(), self._start + self._monotonic() - self._since)


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
    forgotten = AT_ONCE
    while forgotten == AT_ONCE:
        with database.write() as connection:
            forgotten = keys.forget(connection, before=before, limit=AT_ONCE)


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

"""What is no longer needed goes: ended tasks, their files, and old models."""

import logging
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from app.config import Settings
from app.repository import imports, keys, models, tasks
from app.storage import Database

DAY = 24 * 3600
AT_ONCE = 100
"""Tasks of one transaction."""
ROWS = 5_000
"""Rows of one transaction, of what is kept for the undo of an import: some ten milliseconds."""
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
        active = tasks.active_ids(connection)
        retriable = tasks.retriable_ids(connection, since=now - DAY)
        kept = tasks.kept_ids(connection)
    for folder in _entries(settings.data_dir / "work"):
        _remove(folder.glob("parse-*") if folder.name in retriable else [folder], keep=active)
    _remove(_entries(settings.uploads_dir), keep=active | retriable, newest=now - DAY)
    _remove(_entries(settings.data_dir / "imports"), keep=kept)
    _forget_models(database, settings, now=now)
    return True


def _forget_tasks(database: Database, before: float, is_late: Callable[[], bool]) -> bool:
    """Imports first lose their undo, then what is kept for it, in as many transactions as that takes."""
    while True:
        with database.write() as connection:
            seqs = tasks.expire(connection, before=before, limit=AT_ONCE)
        for seq in seqs:
            while True:
                with database.write() as connection:
                    if imports.forget(connection, seq, ROWS):
                        break
                if is_late():
                    return False
        with database.write() as connection:
            old = tasks.forget(connection, before=before, limit=AT_ONCE)
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


def _forget_models(database: Database, settings: Settings, *, now: float) -> None:
    with database.write() as connection:
        checksums = models.forget(connection, keep=max(1, settings.keep_models))
    # One that was saved lately may still be to publish: its version is added after that.
    kept = {f"{checksum}.npz" for checksum in checksums}
    _remove(_entries(settings.models_dir), keep=kept, newest=now - DAY)


def _entries(directory: Path) -> Iterable[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else ()


def _remove(paths: Iterable[Path], *, keep: set[str], newest: float | None = None) -> None:
    """Remove what is not kept; with `newest`, only what was written before that time."""
    for path in paths:
        with suppress(FileNotFoundError):  # an upload is renamed once it is whole
            if path.name in keep or (newest is not None and path.stat().st_mtime > newest):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

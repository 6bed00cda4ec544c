"""What is no longer needed goes: ended tasks, their files, and old models."""

import logging
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from app.config import Settings
from app.repository import keys, models, tasks
from app.storage import Database

DAY = 24 * 3600
AT_ONCE = 500

log = logging.getLogger("matinee.retention")


def clean(database: Database, settings: Settings, *, now: float) -> None:
    """Delete what is older than the settings say. Safe to stop anywhere and to do again."""
    _forget_tasks(database, before=now - max(1.0, settings.keep_tasks) * DAY)
    _forget_keys(database, now=now)
    with database.read() as connection:
        active = tasks.active_ids(connection)
        kept = tasks.kept_ids(connection)
    _remove(_entries(settings.data_dir / "work"), keep=active)
    _remove(_entries(settings.uploads_dir), keep=active, newest=now - DAY)
    _remove(_entries(settings.data_dir / "imports"), keep=kept)
    _forget_models(database, settings, now=now)


def _forget_tasks(database: Database, *, before: float) -> None:
    while True:
        with database.write() as connection:
            old = tasks.forget(connection, before=before, limit=AT_ONCE)
        if not old:
            return
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

"""What is no longer needed goes: ended tasks, their files, and old models."""

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from app.config import Settings
from app.repository import models, tasks
from app.storage import Database

DAY = 24 * 3600
AT_ONCE = 500

log = logging.getLogger("matinee.retention")


def clean(database: Database, settings: Settings, *, now: float) -> None:
    """Delete what is older than the settings say. Safe to stop anywhere and to do again."""
    _forget_tasks(database, before=now - max(1.0, settings.keep_tasks) * DAY)
    with database.read() as connection:
        active = tasks.active_ids(connection)
        retriable = tasks.retriable_ids(connection, since=now - DAY)
        kept = tasks.kept_ids(connection)
    for folder in _entries(settings.data_dir / "work"):
        _remove(folder.glob("parse-*") if folder.name in retriable else [folder], keep=active)
    _remove(_entries(settings.uploads_dir), keep=active | retriable, newest=now - DAY)
    _remove(_entries(settings.data_dir / "imports"), keep=kept)
    _forget_models(database, settings)


def _forget_tasks(database: Database, *, before: float) -> None:
    while True:
        with database.write() as connection:
            old = tasks.forget(connection, before=before, limit=AT_ONCE)
        if not old:
            return
        log.info("forgot %d tasks", len(old))


def _forget_models(database: Database, settings: Settings) -> None:
    with database.write() as connection:
        checksums = models.forget(connection, keep=max(1, settings.keep_models))
    _remove(_entries(settings.models_dir), keep={f"{checksum}.npz" for checksum in checksums})


def _entries(directory: Path) -> Iterable[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else ()


def _remove(paths: Iterable[Path], *, keep: set[str], newest: float | None = None) -> None:
    """Remove what is not kept; with `newest`, only what was written before that time."""
    for path in paths:
        if path.name in keep or (newest is not None and path.stat().st_mtime > newest):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

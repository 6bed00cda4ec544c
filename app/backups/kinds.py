"""The kind of task that backs the service up by schedule, and which archives are kept."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Connection

from app.backups import ledger
from app.config import Settings
from app.repository import tasks
from app.storage import Database
from app.task import COMPLETE, Task
from app.tasks.kinds import OUTSIDE, Kind, later
from app.tasks.schedule import is_within

BACK_UP = "back_up"
PATIENCE = 600.0
"""Seconds after one that failed or was cancelled before the next is scheduled."""
PATTERN = "matinee-*.tar"


@dataclass(frozen=True, slots=True)
class BackupParams:
    """It has none: the settings say where to."""


def folder_of(settings: Settings) -> Path:
    """Where scheduled backups are kept."""
    return Path(settings.backup_dir) if settings.backup_dir else settings.data_dir / "backups"


def archives(folder: Path) -> list[Path]:
    """The scheduled backups there, oldest first: their names begin with the time."""
    return sorted(folder.glob(PATTERN))


def _join(connection: Connection, _params: BackupParams) -> Task | None:
    tasks.hold(connection)
    return tasks.waiting(connection, BACK_UP)


def _due(database: Database, settings: Settings, now: float) -> BackupParams | None:
    every = settings.backup_every * 3600
    if not every:
        return None
    with database.read() as connection:
        last = next(iter(tasks.listing(connection, limit=1, kind=BACK_UP)), None)
    if last is None:
        return BackupParams()
    pause = every if last.status == COMPLETE else min(every, PATIENCE)
    return BackupParams() if last.ended and not is_within(pause, last.created_at, now) else None


def _clean(database: Database, settings: Settings, _now: float) -> None:
    """Who was forgotten since is noted beside the backups that there are."""
    if (folder := folder_of(settings)).is_dir():
        with database.read() as connection:
            entries = ledger.known(connection)
        ledger.note(folder, entries)


BACKUP: Kind[BackupParams] = Kind(
    BACK_UP,
    BackupParams,
    later("app.backups.back_up", "run"),
    OUTSIDE,
    join=_join,
    due=_due,
    clean=_clean,
)

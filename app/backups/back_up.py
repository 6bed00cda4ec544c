"""Back the service up into the folder of backups, and delete the oldest ones there."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.backups import ledger, making
from app.backups.files import written
from app.backups.kinds import archives, folder_of
from app.tasks.attempt import Attempt

log = logging.getLogger("matinee.backup")


def run(attempt: Attempt) -> None:
    """Complete with the name, size and digest of the archive, and which older ones were deleted."""
    settings = attempt.settings
    folder = folder_of(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_unfinished(folder)
    stamp = datetime.fromtimestamp(attempt.clock(), UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    path = folder / f"matinee-{stamp}-{attempt.task.id}.tar"

    def told(phase: str, done: int, total: int) -> None:
        is_new = phase != seen.get("phase")
        seen["phase"] = phase
        attempt.report(**({"phase": phase} if is_new else {}), done=done, total=total, unit="bytes")

    seen: dict[str, Any] = {}
    with making.moment(attempt.database, settings, attempt.clock) as moment, written(path) as file:
        made = making.write(moment, attempt.database, file, folder, told)
    ledger.note(folder, made.forgotten)
    deleted = _retain(folder, max(1, settings.keep_backups))
    result = {"file": path.name, "size": made.size, "sha256": made.digest, "left_out": made.left_out}
    with attempt.transaction(result=result | {"deleted": deleted}):
        pass


def _remove_unfinished(folder: Path) -> None:
    """What a backup that was killed has left: only one is made at a time."""
    for path in folder.glob("matinee-*.tar.part"):
        log.info("%s was left by a backup that did not end, and is deleted", path.name)
        path.unlink(missing_ok=True)


def _retain(folder: Path, keep: int) -> list[str]:
    """Delete all but the newest; returns their names."""
    old = archives(folder)[:-keep]
    for path in old:
        path.unlink(missing_ok=True)
    return [path.name for path in old]

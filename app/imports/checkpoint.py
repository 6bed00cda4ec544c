"""What an import keeps on disk between its attempts, so that they all merge the same rows.

The cursor, in the database, tells the size and the checksum of each file: an attempt goes on only with the
very files that the first one left.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from app.config import Settings
from app.imports.kinds import IMPORT
from app.imports.rejects import RejectFile, rejects_path
from app.storage import Database
from app.storage.files import write_whole
from app.task import Task

GONE = "What it had kept for going on is gone from the data directory, or damaged."
OLD = {"catalogue": None}
"""What an import that began in an older release has kept: without a checksum."""
UPLOAD_GONE = "The upload is gone from the data directory."


def work_directory(settings: Settings, task_id: str) -> Path:
    """The folder for what a task has to keep on disk between its attempts."""
    return settings.data_dir / "work" / task_id


def upload_path(settings: Settings, file: str) -> Path:
    """The upload that a task's `file` names, relative to the data directory.

    Tasks of older releases have an absolute path, maybe from where the data directory was before.
    """
    here = settings.uploads_dir / Path(file).name
    return here if here.exists() else settings.data_dir / file


class Checkpoint:
    """What was in the database as it was first asked for, in files of `directory`.

    `going_on`: from a cursor; else the database is asked. `kept`: what the cursor has to keep, by name.
    """

    def __init__(self, directory: Path, database: Database, *, going_on: bool) -> None:
        self._directory, self._database, self._going_on = directory, database, going_on
        self.kept: dict[str, Any] = {}

    def read(self, name: str, query: Callable[[Connection], Any]) -> Any:
        """What `query` found when it was asked for first."""
        path = self._directory / f"{name}.json"
        if self._going_on and path.exists():
            return json.loads(path.read_bytes())
        with self._database.read() as connection:
            text = json.dumps(query(connection)).encode()
        write_whole(path, text)
        self.kept[name] = describe(text)
        return json.loads(text)


def describe(content: bytes) -> list[Any]:
    """Size and checksum."""
    return [len(content), hashlib.sha256(content).hexdigest()]


def missing(settings: Settings, task: Task) -> str | None:
    """What an import or undo lacks to go on from its cursor: one sentence; None if it lacks nothing."""
    cursor = task.checkpoint or {}
    directory, published = work_directory(settings, task.id), rejects_path(settings.data_dir, task.id)
    if cursor.get("rejects") and not RejectFile.is_there(directory, published, cursor["rejects"]):
        return GONE
    if task.kind != IMPORT.name or cursor.get("merged"):
        return None
    for name, description in cursor.get("kept", OLD).items():
        path = directory / f"{name}.json"
        if not path.is_file() or description not in (None, describe(path.read_bytes())):
            return GONE
    return missing_upload(settings, task)


def missing_upload(settings: Settings, task: Task) -> str | None:
    """That the upload of an import is not there whole; None if it is, or if it is the bundled sample."""
    params = IMPORT.params_of(task)
    if params.file is None:
        return None
    path = upload_path(settings, params.file)
    if not path.is_file() or (params.size and path.stat().st_size != params.size):
        return UPLOAD_GONE
    return None

"""What an import or undo keeps on disk between its attempts, so that they all merge the same rows.

The checkpoint, in the database, tells the size and the checksum of each file: an attempt goes on only with
the very files that the first one left.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from app.config import Settings
from app.imports import rejects
from app.imports.sizes import DEFAULT, Sizes
from app.process import without_collections
from app.storage import Database
from app.storage.files import write_atomically
from app.task import Task


class Workspace:
    """The folder of a task, as one attempt uses it. `kept`: what its checkpoint has to keep, by name."""

    def __init__(self, settings: Settings, task: Task, sizes: Sizes = DEFAULT) -> None:
        self.directory = settings.data_dir / "work" / task.id
        self.kept: dict[str, Any] = {}
        self._attempt, self._sizes = task.attempt, sizes
        self._published = rejects.rejects_path(settings.data_dir, task.id)

    def rejects(self, checkpoint: list[Any] | None) -> rejects.RejectFile:
        """The file of rejects of an import, or of what an undo has kept."""
        return rejects.RejectFile(self.directory, self._attempt, self._published, checkpoint, self._sizes)

    def has_rejects(self, checkpoint: list[Any] | None) -> bool:
        """Whether what counts of an earlier attempt's file is there; once published, it is only there."""
        if not checkpoint:
            return True
        path = self.directory / checkpoint[0]
        path = path if path.exists() else self._published
        return path.is_file() and path.stat().st_size >= int(checkpoint[1])

    def parse_directory(self) -> Path:
        """A new folder for what this attempt parses; those of earlier ones are removed."""
        self.clear_parse()
        directory = self.directory / f"parse-{self._attempt}"
        directory.mkdir(parents=True)
        return directory

    def clear_parse(self) -> None:
        """Remove what is made again by another attempt."""
        for directory in self.directory.glob("parse-*"):
            shutil.rmtree(directory, ignore_errors=True)

    def clear(self) -> None:
        """Remove everything: there is nothing to go on from."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def read(
        self, database: Database, name: str, query: Callable[[Connection], Any], *, going_on: bool
    ) -> Any:
        """What `query` found when it was first asked, kept in a file. `going_on`: from a checkpoint."""
        with without_collections():
            if going_on and (text := self.text(name)) is not None:
                return json.loads(text)
            with database.read() as connection:
                text = json.dumps(query(connection)).encode()
            self.keep(name, text)
            return json.loads(text)

    def text(self, name: str) -> bytes | None:
        """The file of that name, if it is there."""
        path = self._path(name)
        return path.read_bytes() if path.exists() else None

    def keep(self, name: str, text: bytes) -> None:
        """Write a file that the checkpoint has to keep."""
        write_atomically(self._path(name), text)
        self.kept[name] = _described(text)

    def has(self, kept: dict[str, Any]) -> bool:
        """Whether what an earlier attempt has kept is there, unchanged."""
        return all(
            self._path(name).is_file() and described in (None, _described(self._path(name).read_bytes()))
            for name, described in kept.items()
        )

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.json"


def _described(content: bytes) -> list[Any]:
    """Size and checksum."""
    return [len(content), hashlib.sha256(content).hexdigest()]

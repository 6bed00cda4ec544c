"""What an import or undo keeps between its attempts, so that they all merge the same rows.

The checkpoint, in the database, tells the size and the checksum of each file: an attempt goes on only with
the very files that the first one left.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from app.config import Settings
from app.imports import held, rejects
from app.imports.sizes import DEFAULT, Sizes
from app.process import without_collections
from app.storage import Database
from app.storage.store import store_of
from app.task import Task


class Workspace:
    """The files of a task, as one attempt uses them. `kept`: what its checkpoint has to keep, by name.

    What other attempts need is in the store; `directory` is a folder of this machine for the rest.
    """

    def __init__(self, settings: Settings, task: Task, sizes: Sizes = DEFAULT) -> None:
        self.store = store_of(settings)
        self.directory = settings.data_dir / "work" / task.id
        self.kept: dict[str, Any] = {}
        self._task_id, self._attempt, self._sizes = task.id, task.attempt, sizes
        self._folder = f"work/{task.id}/"

    def rejects(self, checkpoint: list[Any] | None) -> rejects.RejectFile:
        """The rejects of an import, or what an undo has kept."""
        return rejects.RejectFile(
            self.store, self._task_id, self._attempt, self.directory, checkpoint, self._sizes
        )

    def has_rejects(self, checkpoint: list[Any] | None) -> bool:
        """Whether what counts of an earlier attempt's rejects is there; once published, it is only there."""
        return rejects.are_there(self.store, self._task_id, checkpoint)

    def upload(self, key: str, told: Callable[[], object]) -> Path:
        """The upload as a file of this machine. Raises `FileNotFoundError`."""
        return self.store.local(key, self.directory, told)

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
        self.store.delete_all(self._folder)
        shutil.rmtree(self.directory, ignore_errors=True)

    def read(
        self,
        database: Database,
        name: str,
        query: Callable[[Connection], Any],
        *,
        before: dict[str, Any] | None,
        find: held.Find = held.anew,
    ) -> Any:
        """What `query` found when it was first asked, which is kept. `before`: what a checkpoint has kept.

        With `held.query` as `find` it is shared by all imports, and not to be changed.
        """
        with without_collections():
            if (text := self.text(name, before)) is not None:
                return json.loads(text)
            with database.read() as connection:
                found, text = find(connection, name, query)
            self.keep(name, text)
            return found

    def text(self, name: str, before: dict[str, Any] | None) -> bytes | None:
        """What a checkpoint has kept `before` by that name, if it is there."""
        return None if before is None else self._found(name, before.get(name))

    def keep(self, name: str, text: bytes) -> None:
        """Write what the checkpoint has to keep by that name."""
        self.kept[name] = _described(text)
        self.store.put(self._key(name, self.kept[name]), text)

    def has(self, kept: dict[str, Any]) -> bool:
        """Whether what an earlier attempt has kept is there, unchanged."""
        return all(self._found(name, described) is not None for name, described in kept.items())

    def _found(self, name: str, described: list[Any] | None) -> bytes | None:
        """`described`: None for what an import has kept that began in the first release."""
        for key in (self._key(name, described), f"{self._folder}{name}.json"):
            with suppress(FileNotFoundError):
                text = self.store.read(key)
                if described in (None, _described(text)):
                    return text
        return None

    def _key(self, name: str, described: list[Any] | None) -> str:
        """By the checksum: an attempt that was replaced without noticing it keeps something else."""
        return f"{self._folder}{name}-{described[1][:16]}.json" if described else f"{self._folder}{name}.json"


def _described(content: bytes) -> list[Any]:
    """Size and checksum."""
    return [len(content), hashlib.sha256(content).hexdigest()]

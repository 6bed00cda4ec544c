"""The store as a folder: of this machine, or one that all machines have mounted."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from app.storage.files import replace_durably, write_atomically, write_pieces
from app.storage.store import PART, Entry, Store, Told, _nothing

UNFINISHED = ".part"


class FolderStore(Store):
    """Keys are paths in the folder. A file is written beside its place, synced, and renamed."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    def path(self, key: str) -> Path:
        return self._folder / key

    def put(self, key: str, data: bytes) -> None:
        write_atomically(self.path(key), data)

    def put_file(self, key: str, path: Path, told: Told = _nothing) -> None:
        target = self.path(key)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            replace_durably(path, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            write_pieces(target, _pieces(path, told))  # the store is on another disk
            path.unlink()

    def size(self, key: str) -> int | None:
        path = self.path(key)
        return path.stat().st_size if path.is_file() else None

    def open(self, key: str) -> BinaryIO:
        return self.path(key).open("rb")

    def entries(self, prefix: str) -> Iterator[Entry]:
        return (entry for entry in self._every(prefix) if not entry.key.endswith(UNFINISHED))

    def _every(self, folder: str) -> Iterator[Entry]:
        """Each folder is read once; what others remove meanwhile is left out."""
        try:
            with os.scandir(self.path(folder)) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in found:
            key = f"{folder.rstrip('/')}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from self._every(key)
                continue
            with suppress(FileNotFoundError):
                stat = entry.stat()
                yield Entry(key, stat.st_size, stat.st_mtime)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.path(key).unlink(missing_ok=True)
            for folder in list(Path(key).parents)[:-2]:  # neither the root nor one directly in it
                with suppress(OSError):  # something else is in it
                    self.path(folder.as_posix()).rmdir()

    def check(self) -> None:
        """A folder that is not there is made when something is put into it."""
        if self._folder.exists() and not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.where)


def _pieces(path: Path, told: Told) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PART):
            yield piece
            told()

"""The store: files that every process of a service reaches, each whole and under a key.

Keys are relative paths: `uploads/TASK`, `work/TASK/...`, `imports/TASK/...`, `dumps/TASK/...` and
`models/CHECKSUM.npz`. What is under a key does not change: keys are made of a checksum, or of a task and an
attempt, so that two processes never write different files under one key and no put needs a condition.
"""

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.config import Settings
from app.storage.files import write_pieces

PART = 8 << 20
"""Bytes of a file in memory at most, for each part that is on its way."""

Told = Callable[[], object]
"""Called now and then while a file is on its way."""


class Entry(NamedTuple):
    """A file of the store. `modified`: epoch seconds, by the clock of the store."""

    key: str
    size: int
    modified: float


def _nothing() -> None:
    """The default: there is no progress to report."""


class Store(ABC):
    """Files by key. Every method may raise `Unavailable` of a server, and `OSError` of a disk.

    `where`: the store as a message names it.
    """

    where: str

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Store bytes, over whatever is there; others see all of them or none."""

    @abstractmethod
    def put_file(self, key: str, path: Path, told: Told = _nothing) -> None:
        """Store a file of this machine, which is gone from `path` after that. It was synced before."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of a file; None if there is none."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """A file for reading and seeking. Raises `FileNotFoundError`."""

    @abstractmethod
    def entries(self, prefix: str) -> Iterator[Entry]:
        """The files whose keys begin with a folder, such as `work/`, by key."""

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Delete files, which need not be there."""

    @abstractmethod
    def path(self, key: str) -> Path | None:
        """Where a file is, or would be, on this machine; None if the store is elsewhere."""

    @abstractmethod
    def check(self) -> None:
        """Raises `ConfigurationError` for a store that its settings do not lead to."""

    def read(self, key: str) -> bytes:
        """All of a small file. Raises `FileNotFoundError`."""
        with self.open(key) as file:
            return file.read()

    def pieces(self, key: str, size: int | None = None) -> Iterator[bytes]:
        """A file, or its first `size` bytes, piece by piece. Raises `FileNotFoundError`, `EOFError`."""
        with self.open(key) as file:
            left = size
            while piece := file.read(PART if left is None else min(PART, left)):
                yield piece
                left = None if left is None else left - len(piece)
        if left:
            raise EOFError(f"{key} in {self.where} has {left} bytes less than it should have")

    def local(self, key: str, scratch: Path, told: Told = _nothing) -> Path:
        """A file of this machine with what is under the key: in `scratch`, if the store is elsewhere.

        A copy that is there already, of the same size, is taken. Raises `FileNotFoundError`.
        """
        path = self.path(key)
        if path is not None:
            return path
        copy, size = scratch / key.rpartition("/")[2], self.size(key)
        if size is None:
            raise FileNotFoundError(2, f"is not in {self.where}", key)
        if not copy.is_file() or copy.stat().st_size != size:
            write_pieces(copy, _telling(self.pieces(key), told))
        return copy

    def delete_all(self, folder: str) -> None:
        """Delete every file whose key begins with a folder, such as `work/TASK/`."""
        self.delete([entry.key for entry in self._every(folder)])

    def sweep(
        self,
        folder: str,
        keep: Collection[str] | Callable[[], Collection[str]],
        before: float | None = None,
    ) -> None:
        """Delete what is under names of a folder that are not kept; with `before`, if it is that old.

        A function that says what to keep is called once the folder was listed: what comes meanwhile stays.
        """
        found = list(self._every(folder))
        kept = keep() if callable(keep) else keep
        self.delete(
            entry.key
            for entry in found
            if entry.key[len(folder) :].partition("/")[0] not in kept
            and (before is None or entry.modified <= before)
        )

    def _every(self, folder: str) -> Iterator[Entry]:
        """The entries of a folder, with what was never finished there."""
        return self.entries(folder)


def _telling(pieces: Iterable[bytes], told: Told) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        told()


def store_of(settings: Settings) -> Store:
    """The store of these settings. Raises `ConfigurationError` if it needs a library that is not there."""
    secrets = tuple(sorted(pair for pair in os.environ.items() if pair[0].startswith("AWS_")))
    return _store(settings.store, settings.data_dir.absolute(), secrets)


@functools.lru_cache(maxsize=32)
def _store(address: str, data_dir: Path, _environment: tuple[tuple[str, str], ...]) -> Store:
    """One a process for the same settings: it holds connections."""
    if address.startswith("s3://"):
        from app.storage.s3_store import S3Store

        return S3Store(address)
    from app.storage.folder_store import FolderStore

    return FolderStore(Path(address).absolute() if address else data_dir)

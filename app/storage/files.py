"""Files that are there whole or not at all, through power cuts: write, fsync, rename, fsync of the folder."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file over whatever is there; its folder is made if it is missing. Raises `OSError`.

    The data goes into a file beside it first, whose name is that of this thread of this process.
    """
    write_pieces(path, [data])


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """As `write_atomically`, of what comes piece by piece; after what that raises nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with beside.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        replace_durably(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def replace_durably(written: Path, path: Path) -> None:
    """Rename a synced file over whatever is at `path`, and sync the folder. Raises `OSError`."""
    written.replace(path)
    with _opened(path.parent) as descriptor:
        os.fsync(descriptor)


def create(path: Path) -> BinaryIO:
    """A new file that this user alone can read. Raises `OSError`, such as `FileExistsError`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "w+b")


def sync_content(path: Path) -> None:
    """Have what was written to a file on the disk. Raises `OSError`."""
    with _opened(path) as descriptor:
        os.fdatasync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def size_of(path: Path) -> int:
    """Bytes of a file; 0 of one that is not there, as the WAL when the last connection is closed."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0

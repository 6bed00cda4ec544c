"""Files that are there whole or not at all, through power cuts: write, fsync, rename, fsync of the folder."""

import os
import threading
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file over whatever is there; its folder is made if it is missing. Raises `OSError`.

    The data goes into a file beside it first, whose name is that of this thread of this process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        replace_durably(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def replace_durably(written: Path, path: Path) -> None:
    """Rename a synced file over whatever is at `path`, and sync the folder. Raises `OSError`."""
    written.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until what was written to the file is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)

"""The file of an archive, which is there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.errors import BadRequest, Conflict, StorageFull
from app.storage.failures import failure
from app.storage.files import replace_durably
from app.storage.locks import try_lock


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that is at `path` after this block, synced, over what was there; after an error nothing is left.

    Raises `StorageFull` for a full disk, `Conflict` while another process writes the same file.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = f"{path} is a folder" if path.is_dir() else f"The folder {path.parent} does not exist"
        raise BadRequest(f"{what}. Name a file in a folder that is there.")
    part = path.with_name(f"{path.name}.part")
    held = try_lock(part)
    if held is None:
        raise Conflict(f"Another backup is being written to {path}. Wait for its end, or name another file.")
    file = os.fdopen(held, "wb")
    try:
        file.truncate()
        yield file
        file.flush()
        os.fsync(file.fileno())
        replace_durably(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, Exception) and isinstance(failure(error), StorageFull):
            given = error.detail if isinstance(error, StorageFull) else ""
            full = f"The disk of {path.parent} is full. No backup was made, and nothing is left of it there."
            raise StorageFull(given or f"{full} Make room, or choose another folder.") from error
        raise
    finally:
        with suppress(OSError):  # what is not written yet does not matter any more
            file.close()

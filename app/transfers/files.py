"""The files of a service, brought into another data folder: what rows of its database name, its secret."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Conflict, Damaged
from app.imports.checkpoint import upload_key
from app.repository import models, tasks
from app.storage.files import replace_durably
from app.storage.store import store_of
from app.task import ACTIVE

FOLDERS = ("uploads", "models", "work", "imports", "dumps")
SECRET = "secret.key"  # noqa: S105
UNFINISHED = ".part"
AT_ONCE = 1 << 20

Count = Callable[[int], object]


def refuse_files(folder: Path) -> None:
    """Raises `Conflict` if a data folder holds files of a service already."""
    found = next(_files(folder), None)
    if found is not None:
        raise Conflict(
            f"{folder} holds files of a service already, such as {found.relative_to(folder)}. Name a folder "
            "that is empty, or move those away."
        )


def size(folder: Path) -> int:
    """Bytes that `copy` reads."""
    return sum(path.stat().st_size for path in _files(folder))


def copy(source: Path, target: Path, count: Count) -> int:
    """Copy all files, each whole or not at all; returns how many. `count` gets the bytes of each piece.

    One that is there already is compared. Raises `Damaged` for one that is not read back as it was written.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    copied = 0
    for path in _files(source):
        _copy(path, target / path.relative_to(source), count)
        copied += 1
    return copied


def missing(settings: Settings, connection: Connection) -> list[str]:
    """What the rows of the database name, but the store of the settings does not have."""
    store = store_of(settings)
    gone = [
        f"the model {checksum[:12]}"
        for checksum in sorted(models.checksums(connection))
        if store.size(f"models/{checksum}.npz") is None
    ]
    for status in ACTIVE:
        for task in tasks.listing(connection, limit=1_000, status=status):
            file = task.params.get("file")
            if file and store.size(upload_key(file)) is None:
                gone.append(f"the upload of task {task.id}")
    return gone


def _files(folder: Path) -> Iterator[Path]:
    places = [path for name in FOLDERS for path in sorted((folder / name).rglob("*"))]
    for path in (folder / SECRET, *places):
        if path.is_file() and path.suffix != UNFINISHED:
            yield path


def _copy(path: Path, to: Path, count: Count) -> None:
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}{UNFINISHED}")
    with path.open("rb") as file:
        wanted = _digest(file, count)
        if to.is_file() and _is(to, wanted):
            return
        file.seek(0)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
            shutil.copyfileobj(file, written, AT_ONCE)
            written.flush()
            os.fsync(written.fileno())
    if not _is(part, wanted):
        raise Damaged(
            f"{part} is not what was written to it: the disk may be failing. Run the command again."
        )
    replace_durably(part, to)


def _is(path: Path, digest: str) -> bool:
    with path.open("rb") as file:
        return _digest(file, lambda _: None) == digest


def _digest(file: BinaryIO, count: Count) -> str:
    digest = hashlib.sha256()
    while some := file.read(AT_ONCE):
        digest.update(some)
        count(len(some))
    return digest.hexdigest()

"""Making a backup while the service runs: database, models and files as of one moment.

For some milliseconds no task changes: in these the database is pinned, and the files of tasks that have not
ended are opened, which their tasks may remove from then on. Nothing waits while it is read.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app import descriptors
from app.backups import ledger
from app.backups.archive import Header, Writer
from app.config import PREFIX, Settings
from app.errors import StorageFull
from app.imports.checkpoint import upload_key
from app.repository import models
from app.storage import Database
from app.storage.copies import AT_ONCE
from app.storage.database import database_of
from app.storage.schema import tasks as tasks_table
from app.storage.store import Store, store_of
from app.task import ACTIVE, RETRIABLE, Task

Told = Callable[[str, int, int], object]
"""(what is being done, bytes done, bytes in all)"""
MARGIN = 16 << 20
"""Bytes that a disk is to have beyond what is written to it."""


@dataclass
class Moment:
    """What the backup is of: a pinned transaction, and the files that belong to it.

    `opened`: files by their key in the store, which is their name in the archive; `later`: of ended tasks,
    with their sizes, left out if they are gone.
    """

    connection: Connection
    header: Header
    store: Store
    opened: dict[str, BinaryIO]
    later: dict[str, int]

    @property
    def database_bytes(self) -> int:
        return database_of(self.connection).copies.size(self.connection)

    @property
    def file_bytes(self) -> int:
        return sum(map(_size, self.opened.values())) + sum(self.later.values())


@dataclass(frozen=True)
class Made:
    """`digest`: of the contents, and so of all; `left_out`: what should have been there."""

    size: int
    digest: str
    left_out: list[str]
    forgotten: list[tuple[int, float]]


@contextmanager
def moment(
    database: Database, settings: Settings, clock: Callable[[], float] = time.time
) -> Iterator[Moment]:
    """Hold one moment of the service, for as long as it takes to read."""
    descriptors.raise_limit()
    with ExitStack() as stack:
        connection = stack.enter_context(database.read())
        with database.write() as held:
            database.copies.hold(held)
            now = clock()
            database.copies.pin(connection)
            found = _found(connection, settings, now, stack)
        yield found


def write(
    moment: Moment, database: Database, target: BinaryIO, scratch: Path, told: Told = lambda *_: None
) -> Made:
    """Write the archive of a moment. `scratch`: a folder with room for a copy of the database.

    Raises `OSError` of the target, which then holds nothing that counts, and `StorageFull` for the scratch.
    """
    copies, connection = database.copies, moment.connection
    room = copies.room(connection)
    refuse_full(scratch, room)
    total = moment.database_bytes + moment.file_bytes
    writer = Writer(target, moment.header)
    copying = copies.parts(connection, scratch, lambda done, of: told("copying the database", done, of))
    done = 0

    def count(some: int) -> None:
        nonlocal done
        done += some
        told("writing", done, max(done, total))

    for part in copying:
        writer.add(f"database/{part.name}", part.size, part.content, count if room else lambda _: None)
    for name, file in _files(moment):
        size = _size(file)
        writer.add(name, size, _pieces(file, size), count)
    digest = writer.finish()
    return Made(writer.written, digest, moment.header.left_out, moment.header.forgotten)


def refuse_full(folder: Path, room: int) -> None:
    """Raises `StorageFull` if the disk of a folder has not so many bytes to spare."""
    free = shutil.disk_usage(folder).free
    if room and free < room + MARGIN:
        raise StorageFull(
            f"The disk of {folder} has {free / 1e6:,.0f} MB free, and the backup needs some "
            f"{(room + MARGIN) / 1e6:,.0f} MB there. No backup was made. Make room, or choose another folder."
        )


def shown_settings(settings: Settings) -> dict[str, str]:
    """Settings that are not as by default, without secrets and without passwords in addresses."""
    default = Settings()
    kept: dict[str, str] = {}
    for row in fields(Settings):
        value = getattr(settings, row.name)
        if value == getattr(default, row.name) or not Settings.__pydantic_fields__[row.name].repr:  # type: ignore[attr-defined]
            continue
        text = str(value)
        if "://" in text and row.name.endswith("_url"):
            text = sa.make_url(text).render_as_string(hide_password=True)
        kept[f"{PREFIX}{row.name.upper()}"] = text
    return kept


def _found(connection: Connection, settings: Settings, now: float, stack: ExitStack) -> Moment:
    header = Header(
        engine=database_of(connection).copies.engine,
        schema=str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()),
        release=version("matinee"),
        created_at=now,
        settings=shown_settings(settings),
        forgotten=sorted(ledger.known(connection)),
    )
    store, opened, later = store_of(settings), dict[str, BinaryIO](), dict[str, int]()
    for checksum in sorted(models.checksums(connection)):
        key = f"models/{checksum}.npz"
        try:
            opened[key] = stack.enter_context(store.open(key))
        except OSError as error:
            header.left_out.append(f"model {checksum[:12]}: {error.strerror}")
    query = sa.select(tasks_table).order_by(tasks_table.c.seq)
    there = _there(store)
    for row in connection.execute(query).mappings():
        task = Task(**row)
        for key in _of_task(task, there):
            if task.status not in ACTIVE:
                later[key] = there[task.id][key]
                continue
            try:
                opened[key] = stack.enter_context(store.open(key))
            except OSError as error:
                header.left_out.append(f"{key} of task {task.id}: {error.strerror}")
    return Moment(connection, header, store, opened, later)


def _there(store: Store) -> dict[str, dict[str, int]]:
    """The sizes of the files of tasks by their keys, by the ids of the tasks."""
    found: dict[str, dict[str, int]] = {}
    for folder in ("imports/", "uploads/", "work/"):
        for entry in store.entries(folder):
            found.setdefault(entry.key.split("/")[1], {})[entry.key] = entry.size
    return found


def _of_task(task: Task, there: dict[str, dict[str, int]]) -> Iterator[str]:
    """The keys of what it needs to go on or to be tried again, and of its rejects."""
    keys = there.get(task.id, {})
    file = task.params.get("file") and upload_key(task.params["file"])
    if task.status in (*ACTIVE, *RETRIABLE) and file and (task.status in ACTIVE or file in keys):
        yield file
    for key in keys:
        folder = key.partition("/")[0]
        is_work = folder == "work" and key.count("/") == 2  # what lies deeper is made again
        if folder == "imports" or (is_work and task.status in (*ACTIVE, *RETRIABLE)):
            yield key


def _files(moment: Moment) -> Iterator[tuple[str, BinaryIO]]:
    for key, file in moment.opened.items():
        if moment.store.path(key) is None and moment.store.size(key) is None:
            moment.header.left_out.append(f"{key}: its task has removed it meanwhile")
        else:
            yield key, file
    for key in moment.later:
        try:
            file = moment.store.open(key)
        except FileNotFoundError:  # it is no longer needed
            continue
        with file:
            yield key, file


def _size(file: BinaryIO) -> int:
    """Of an open file; where it is read next is at its start again."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """So many bytes and no more: a file may still grow."""
    while size > 0 and (some := file.read(min(size, AT_ONCE))):
        size -= len(some)
        yield some

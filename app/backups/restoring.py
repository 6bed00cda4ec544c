"""Making a data folder of a backup: all of it, verified, or nothing.

It is put together in a folder within the data folder, so that both are on one disk, and comes to its place
when all of it was read and compared; the database comes last.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.backups import ledger
from app.backups.archive import Header, Member, read
from app.backups.kinds import BACK_UP
from app.config import Settings
from app.dumps.kinds import DUMP_RECOMMENDATIONS
from app.errors import Conflict, Invalid, NotFound
from app.people.forget import Asker, forget_within
from app.people.traces import may_hold, remove_files
from app.repository import counters, forgetting, tasks
from app.repository.import_order import IMPORT_RATINGS
from app.storage import engine_of, marker
from app.storage.copies import Part
from app.storage.files import create
from app.storage.revisions import head_revision
from app.storage.schema import ratings
from app.storage.schema import tasks as tasks_table
from app.storage.store import Entry, store_of
from app.task import ACTIVE, AT_WORK, COMPLETE, QUEUED, Task

STAGE = "restoring"
DATABASE = "database"
FOLDERS = ("uploads", "models", "work", "imports")
LEAP = 1_000_000_000
"""Added to the version of the catalogue: no tag that was given since the backup is given again."""
PASSED_OVER = ("lost+found",)


@dataclass
class Report:
    """`goes_on`: tasks that had not ended; `ended`: those that may hold a person who is to be dropped."""

    header: Header
    ratings: int = 0
    files: int = 0
    goes_on: list[str] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)


def restore(
    settings: Settings, source: BinaryIO, forgotten: ledger.Entries, now: float | None = None
) -> Report:
    """Restore into the empty data folder and database of the settings.

    `forgotten`: who is known to have been forgotten; those that the backup still holds are dropped. Raises
    `Conflict` if there is data already, `Invalid` and `Damaged` for what cannot be restored, `OSError`. Then
    folder and database are as empty as before.
    """
    refuse_data(settings)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    stage = settings.data_dir / STAGE
    stage.mkdir(mode=0o700)
    try:
        return _restore(settings, stage, source, forgotten, time.time() if now is None else now)
    except BaseException:
        _empty(settings)
        for path in _there(settings.data_dir):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def refuse_data(settings: Settings) -> None:
    """Raises `Conflict` if the data folder or the database of the settings holds anything."""
    there = _there(settings.data_dir)
    if [path.name for path in there] == [STAGE] and not (there[0] / "matinee.db-wal").exists():
        shutil.rmtree(there[0], ignore_errors=True)  # of a restore that was killed
        there = _there(settings.data_dir)
    if there:
        raise Conflict(
            f"{settings.data_dir} is not empty: it holds {there[0].name}. A backup is restored into an empty "
            "folder: set MATINEE_DATA_DIR to one, or move away what is there."
        )
    if settings.store and (entry := next(_stored(settings), None)):
        raise Conflict(
            f"The store {store_of(settings).where} is not empty: it holds {entry.key}. A backup is restored "
            "into an empty one: set MATINEE_STORE to another, or delete what is there."
        )
    engine_of(settings).copies.refuse_data(settings)


def _stored(settings: Settings) -> Iterator[Entry]:
    """What a store beside the data folder holds of a service."""
    store = store_of(settings)
    return (entry for folder in FOLDERS for entry in store.entries(f"{folder}/"))


def _empty(settings: Settings) -> None:
    if settings.store:
        store_of(settings).delete([*(entry.key for entry in _stored(settings)), marker.KEY])


def _there(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.name not in PASSED_OVER]


def _restore(
    settings: Settings, stage: Path, source: BinaryIO, forgotten: ledger.Entries, now: float
) -> Report:
    copies, members = engine_of(settings).copies, read(source)
    header = next(members)
    assert isinstance(header, Header)  # noqa: S101
    _refuse_other(header, copies.engine)
    report = Report(header)
    staged = replace(settings, data_dir=stage, store="")
    parts = _parts(members, stage, report)
    with copies.filled(settings, staged, header.schema, parts) as connection:
        query = sa.select(sa.func.count()).select_from(ratings)
        _take_up(connection, now, report)
        report.dropped = ledger.since(header, forgotten, connection)
        _drop(connection, staged, report, now)
        counters.add(connection, "catalogue", LEAP)
        report.ratings = int(connection.execute(query).scalar_one())
        marker.forget(connection)
        _bring(settings, stage)
    return report


def _bring(settings: Settings, stage: Path) -> None:
    """Bring the files that were put together to their place; a store is claimed by who opens it first."""
    if settings.store:
        store_of(settings).delete([marker.KEY])
    for folder in FOLDERS:
        if not settings.store and (stage / folder).is_dir():
            (stage / folder).replace(settings.data_dir / folder)
        for path in sorted((stage / folder).rglob("*")) if settings.store else ():
            if path.is_file():
                store_of(settings).put_file(path.relative_to(stage).as_posix(), path)


def _refuse_other(header: Header, engine: str) -> None:
    if header.engine != engine:
        raise Invalid(
            f"The backup is of {header.engine}, and MATINEE_DATABASE_URL names a database of {engine}. It "
            "can be restored into the engine alone that it was made of."
        )
    if header.schema > head_revision():
        raise Invalid(
            f"The backup was made by a newer release ({header.release}): schema {header.schema}, here "
            f"{head_revision()}. Install that release to restore it."
        )


def _parts(members: Iterator[Header | Member], stage: Path, report: Report) -> Iterator[Part]:
    """The parts of the database; the other members are written into the stage in passing."""
    for member in members:
        assert isinstance(member, Member)  # noqa: S101
        folder, _, rest = member.name.partition("/")
        if folder == DATABASE:
            yield Part(rest, member.size, member.content)
        elif folder in FOLDERS:
            path = stage / member.name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with create(path) as file:
                file.writelines(member.content)
                file.flush()
                os.fsync(file.fileno())
            report.files += 1
        else:
            raise Invalid(f"The backup has a member {member.name!r}, which this release does not know.")


def _take_up(connection: Connection, now: float, report: Report) -> None:
    """What was running waits for the next worker, without the blame of a crash."""
    query = sa.select(tasks_table).where(tasks_table.c.status.in_(ACTIVE)).order_by(tasks_table.c.seq)
    for task in [Task(**row) for row in connection.execute(query).mappings()]:
        left = tasks.leave(connection, task, QUEUED, {}, now=now) if task.status in AT_WORK else task
        if left.kind == BACK_UP:  # the one that has made this backup
            left = tasks.request_cancel(connection, task.id, now=now) or left
        if not left.ended:
            report.goes_on.append(left.id)


def _drop(connection: Connection, staged: Settings, report: Report, now: float) -> None:
    """Forget people as it was done since, and end what might bring them back."""
    for user_id in report.dropped:
        for task in _holding(connection, staged, user_id):
            if not task.ended:
                tasks.request_cancel(connection, task.id, now=now)
                report.goes_on.remove(task.id)
                report.ended.append(task.id)
            remove_files(staged, task)
            if task.kind != IMPORT_RATINGS:  # needs no file to go on
                forgetting.rewrite(connection, task, {"checkpoint": None})
        with suppress(NotFound):  # the backup is older than all that was kept of them
            forget_within(connection, staged, user_id, Asker(), now=now)


def _holding(connection: Connection, staged: Settings, user_id: int) -> list[Task]:
    """Tasks that could go on and write something of the person."""
    dumps = [task for task in forgetting.of_kind(connection, DUMP_RECOMMENDATIONS) if not task.ended]
    writers = [task for task in forgetting.writers(connection) if task.status != COMPLETE]
    return [*dumps, *(task for task in writers if may_hold(staged, task, user_id))]

"""Copies of a SQLite database: one file, page by page, by SQLite's own backup (https://sqlite.org/backup.html)."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import BadRequest, Conflict, Invalid, StorageFull
from app.storage.copies import AT_ONCE, Copies, Part, Progress
from app.storage.failures import failure
from app.storage.files import create, replace_durably, sync_content
from app.storage.rows import Row

NAME = "matinee.db"
_sequence = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
PAGES = 1024
"""Copied between two reports of the progress."""


class SQLiteCopies(Copies):
    """The transaction holds its snapshot while the pages are copied: writers go on, and the WAL grows."""

    engine = "sqlite"

    def hold(self, connection: Connection) -> None:
        """Nothing is to be done: a transaction that writes is alone from its start."""

    def pin(self, connection: Connection) -> None:
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").close()

    def size(self, connection: Connection) -> int:
        pages, of = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "page_size")
        )
        return pages * of

    def room(self, connection: Connection) -> int:
        return self.size(connection)

    def parts(self, connection: Connection, scratch: Path, progress: Progress) -> Iterator[Part]:
        size = self.size(connection)
        with self._copied(connection, scratch, size, progress) as file:
            found = os.fstat(file.fileno()).st_size
            yield Part(NAME, found, iter(lambda: file.read(AT_ONCE), b""))

    @contextmanager
    def _copied(
        self, connection: Connection, scratch: Path, size: int, progress: Progress
    ) -> Iterator[BinaryIO]:
        """The copy, as a file without a name: a process that is killed leaves none."""
        driver: Any = connection.connection.driver_connection

        def told(_status: int, left: int, total: int) -> None:
            progress(size * (total - left) // max(1, total), size)

        path = scratch / f".matinee-{os.getpid()}-{id(connection):x}.part"
        with create(path) as file:  # closed last: SQLite's locks go with any descriptor
            try:
                with closing(sqlite3.connect(path, isolation_level=None)) as target:
                    path.unlink()
                    target.execute("PRAGMA journal_mode=OFF")
                    target.execute("PRAGMA synchronous=OFF")
                    driver.backup(target, pages=PAGES, progress=told, sleep=0.05)
            finally:
                path.unlink(missing_ok=True)
            yield file

    def refuse_data(self, settings: Settings) -> None:
        path = file_of(settings)
        if path.exists() and path.stat().st_size:
            raise Conflict(
                f"There is a database at {path}. A backup is restored into an empty folder: move that away, "
                "or set MATINEE_DATA_DIR to another one."
            )

    @contextmanager
    def filled(
        self,
        settings: Settings,
        staged: Settings,
        revision: str,  # noqa: ARG002  (the file says it)
        parts: Iterator[Part],
    ) -> Iterator[Connection]:
        from app.storage import open_database

        staged = replace(staged, database_url="")
        path = file_of(staged)
        for part in parts:
            if part.name != NAME:
                raise Invalid(f"The backup has a part {part.name!r}, which no database of SQLite has.")
            with create(path) as file:
                file.writelines(part.content)
        if not path.is_file():
            raise Invalid("The backup has no database.")
        database = open_database(staged)
        try:
            with database.write() as connection:
                yield connection
            with database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
        finally:
            database.close()
        sync_content(path)
        final = file_of(settings)
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.stat(final.parent).st_dev == path.stat().st_dev:
            replace_durably(path, final)
        else:
            _moved(path, final)

    def name(self, settings: Settings) -> str:
        if not sa.make_url(settings.url).database:
            raise BadRequest("The URL names no file.")
        return str(file_of(settings).resolve())

    def put_rows(self, connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
        text = str(table.insert().compile(dialect=connection.dialect))
        connection.exec_driver_sql(text, [tuple(row) for row in rows])

    def numbers(self, connection: Connection) -> dict[str, int]:
        given = connection.execute(sa.select(_sequence.c.name, _sequence.c.seq))
        return {name: seq for name, seq in given if seq}

    def set_numbers(self, connection: Connection, numbers: dict[str, int]) -> None:
        for name, seq in numbers.items():
            connection.execute(_sequence.delete().where(_sequence.c.name == name))
            connection.execute(_sequence.insert().values(name=name, seq=seq))

    def rewrite(self, settings: Settings) -> tuple[int, int]:
        from app.storage import open_database
        from app.storage.sqlite import SQLiteDatabase

        database = open_database(settings)
        assert isinstance(database, SQLiteDatabase)  # noqa: S101
        try:
            before = database.size()
            free = shutil.disk_usage(file_of(settings).parent).free
            if free < 2 * before:
                raise StorageFull(
                    f"A rewrite needs up to {2 * before:,} bytes beside the database, and {free:,} are free. "
                    "Nothing was changed. Make room there and try again."
                )
            database.rewrite(is_whole=True)
            return before, database.size()
        except sqlite3.Error as error:
            raise failure(error) or error from error
        finally:
            database.close()


def damage(path: Path, seconds: float) -> str | None:
    """What SQLite's quick check finds, as far as it gets in that time; a connection of its own that reads."""
    end = time.monotonic() + seconds
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        connection.set_progress_handler(lambda: int(time.monotonic() > end), 10_000)
        try:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
        except sqlite3.DatabaseError as error:
            is_late = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
            return None if is_late else str(error)
    return None if found == ["ok"] else found[0].replace("\n", "; ")


def _moved(path: Path, final: Path) -> None:
    """To another file system, whole or not at all."""
    beside = final.with_name(f"{final.name}.part")
    try:
        shutil.copyfile(path, beside)
        beside.chmod(0o600)
        sync_content(beside)
        replace_durably(beside, final)
    finally:
        beside.unlink(missing_ok=True)
    path.unlink()


def file_of(settings: Settings) -> Path:
    """Where the database of these settings is."""
    return Path(sa.make_url(settings.url).database or "").absolute()

"""A whole service is brought into an empty database, row by row, and compared at the end.

The source is read as of one moment, while no process is at work on it. The target says how far it is, in the
transaction that writes the rows, so that a transfer that was interrupted goes on there; until it is whole, no
process opens it. Nothing of the source is changed.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Damaged, Invalid
from app.repository import tasks
from app.storage import Database
from app.storage.rows import Digest, Row, count, key_of, page, tables
from app.storage.schema import movies
from app.storage.unfinished import Place, finish, move
from app.titles import terms
from app.transfers import files
from app.transfers.conditions import begun, opened, refuse_same, stopped

Told = Callable[[str, int, int], object]
"""(what is being done, rows or bytes done, and in all)"""


@dataclass
class Report:
    """`tables`: rows and digest of each; `resumed`: whether an earlier run had begun; `goes_on`: tasks that
    have not ended; `missing`: files that the rows name, but that were not found.
    """

    tables: dict[str, Digest] = field(default_factory=dict)
    files: int = 0
    resumed: bool = False
    goes_on: int = 0
    missing: list[str] = field(default_factory=list)


def transfer(source: Settings, target: Settings, told: Told = lambda *_: None) -> Report:
    """Bring the service of `source` into the empty database and the data folder of `target`.

    Raises `BadRequest`, `Conflict` for databases that do not fit, `Unavailable` for one that cannot be had,
    `Invalid` for rows that the target does not take, `Damaged` if the two differ at the end.
    """
    refuse_same(source, target)
    with (
        closing(opened(source, "FROM")) as here,
        closing(opened(target, "TO")) as there,
        stopped(here),
        here.read() as reading,
        there.exclusive("migrate"),
    ):
        here.copies.pin(reading)
        place = begun(here, there, source, target, reading)
        report = Report(resumed=bool(place.table))
        report.goes_on = sum(tasks.counts(reading).values())
        copying = _Copying(reading, there, told)
        copying.run(place)
        report.files = _copied_files(source, target, told)
        report.missing = files.missing(target, reading)
        report.tables = copying.compared()
        with there.write() as connection:
            there.copies.set_numbers(connection, here.copies.numbers(reading))
            finish(connection)
    return report


class _Copying:
    """The rows of all tables. What this run has read itself is not read again to be compared."""

    def __init__(self, reading: Connection, there: Database, told: Told) -> None:
        self._reading, self._there, self._told = reading, there, told
        self._sizes = {table.name: count(reading, table) for table in tables()}
        self._total = sum(self._sizes.values())
        self._seen: dict[str, Digest] = {}
        self._done = 0

    def run(self, place: Place) -> None:
        self._done = sum(size for name, size in self._sizes.items() if name < place.table)
        if place.table:
            with self._there.read() as connection:
                at = next(table for table in tables() if table.name == place.table)
                self._done += count(connection, at)
        self._told("copying rows", self._done, self._total)
        for table in tables():
            if table.name >= place.table:
                self._copy(table, place.after if table.name == place.table else None)

    def _copy(self, table: sa.Table, after: list[object] | None) -> None:
        digest = Digest()
        if after is None:
            self._seen[table.name] = digest
        while rows := page(self._reading, table, after):
            after = key_of(table, rows[-1])
            self._write(table, rows, after)
            digest.add(rows)
            self._done += len(rows)
            self._told("copying rows", self._done, self._total)

    def _write(self, table: sa.Table, rows: Sequence[Row], after: list[object]) -> None:
        with self._there.write() as connection:
            self._there.unbounded(connection)
            try:
                self._there.copies.put_rows(connection, table, rows)
            except Invalid as error:
                raise _refused(table, rows, error) from error
            if table is movies:
                self._there.titles.put(connection, _titles(rows))
            move(connection, table.name, after)

    def compared(self) -> dict[str, Digest]:
        """The digest of each table, read back from the target. Raises `Damaged`."""
        total = self._total + sum(size for name, size in self._sizes.items() if name not in self._seen)
        done = 0
        found = dict[str, Digest]()

        def digest(connection: Connection, table: sa.Table) -> Digest:
            nonlocal done
            read, after = Digest(), None
            while rows := page(connection, table, after):
                read.add(rows)
                done, after = done + len(rows), key_of(table, rows[-1])
                self._told("comparing", min(done, total), total)
            return read

        with self._there.read() as connection:
            self._there.copies.pin(connection)
            for table in tables():
                wanted = self._seen.get(table.name) or digest(self._reading, table)
                found[table.name] = digest(connection, table)
                if found[table.name] != wanted:
                    raise _differs(table, wanted, found[table.name])
        return found


def _titles(rows: Sequence[Row]) -> list[tuple[int, list[str]]]:
    names = [column.name for column in movies.columns]
    number, title, key = (names.index(name) for name in ("id", "title", "search_key"))
    return [(row[number], terms(row[title], row[key].split())) for row in rows]


def _refused(table: sa.Table, rows: Sequence[Row], error: Invalid) -> Invalid:
    has_nul = (row for row in rows if any(isinstance(value, str) and "\0" in value for value in row))
    culprit = next(has_nul, None)
    where = f"between {key_of(table, rows[0])} and {key_of(table, rows[-1])}"
    where = where if culprit is None else f"at {key_of(table, culprit)}, which has a NUL character"
    return Invalid(
        f"TO does not take a row of the table {table.name}, {where}: {error.detail.rstrip('.')}. Change it "
        "in the source, by the service, then start over with an empty TO."
    )


def _differs(table: sa.Table, wanted: Digest, found: Digest) -> Damaged:
    return Damaged(
        f"The table {table.name} is not the same: {wanted.rows:,} rows with the digest {wanted.text} in "
        f"FROM, {found.rows:,} with {found.text} in TO. Either one was changed between two runs, or a "
        "disk is failing. No process uses TO; start over with an empty one."
    )


def _copied_files(source: Settings, target: Settings, told: Told) -> int:
    if source.data_dir.resolve() == target.data_dir.resolve():
        return 0
    total, done = files.size(source.data_dir), 0

    def add(some: int) -> None:
        nonlocal done
        done += some
        told("copying files", min(done, total), total)

    return files.copy(source.data_dir, target.data_dir, add)

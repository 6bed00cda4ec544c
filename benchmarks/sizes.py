"""Bytes that a rating takes on the disk: in SQLite's file, and in PostgreSQL's table and index.

uv run python -m benchmarks.sizes --rows 2000000 --json FILE
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

from app.config import Settings
from app.storage import open_database
from benchmarks.backup import fill
from benchmarks.report import Report, arguments, note
from tests.postgres import PostgresServer

PARTS = "SELECT pg_table_size('ratings'), pg_indexes_size('ratings')"


def of_sqlite(folder: Path, rows: int) -> int:
    """What the file grows by."""
    settings = Settings(folder, embedded_worker=False)
    open_database(settings).close()
    before = (folder / "matinee.db").stat().st_size
    with contextlib.closing(open_database(settings, durable=False)) as database:
        fill(database, rows)
    return (folder / "matinee.db").stat().st_size - before


def of_postgresql(folder: Path, rows: int) -> tuple[int, int]:
    """Of the table, with its maps of free space, and of its index."""
    with contextlib.closing(PostgresServer()) as server:
        settings = Settings(folder, database_url=server.url(server.create_database()), embedded_worker=False)
        with contextlib.closing(open_database(settings, durable=False)) as database:
            fill(database, rows)
            with database.read() as connection:
                table, index = connection.execute(sa.text(PARTS)).one()
    return int(table), int(index)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, help="with room for them (default: a temporary one)")
    options = parser.parse_args()
    report = Report("sizes")
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        note("SQLite")
        parts = [("SQLite, the file", of_sqlite(Path(scratch, "sqlite"), options.rows))]
        note("PostgreSQL")
        table, index = of_postgresql(Path(scratch, "postgresql"), options.rows)
    for part, size in (*parts, ("PostgreSQL, the table", table), ("PostgreSQL, its index", index)):
        report.add(ratings=options.rows, part=part, mb=size / 1e6, bytes_a_rating=size / options.rows)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

"""A backup of millions of ratings while others write, and its restore: times, sizes, digests.

uv run python -m benchmarks.backup --rows 20000000 --json FILE
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.backups import making
from app.backups.restoring import restore
from app.config import Settings
from app.rating import Rating, RatingColumns
from app.repository import ratings
from app.storage import Database, open_database
from benchmarks.report import Report, arguments, note

USERS_AT_ONCE = 2_000
RATINGS_EACH = 100
MOVIES = 10_000
QUERY = "SELECT count(*), sum(user_id * 31 + movie_id), sum(score), sum(rated_at) FROM ratings"


def fill(database: Database, rows: int) -> None:
    """So many ratings, of `RATINGS_EACH` movies a user."""
    choose = np.random.default_rng(1)
    for start in range(0, rows // RATINGS_EACH, USERS_AT_ONCE):
        users = np.repeat(np.arange(start, start + USERS_AT_ONCE), RATINGS_EACH)
        step = MOVIES // RATINGS_EACH
        movies = np.tile(np.arange(0, MOVIES, step), USERS_AT_ONCE) + choose.integers(0, step, len(users))
        columns = RatingColumns(
            users, movies, choose.integers(1, 11, len(users)).astype(np.uint8), np.full(len(users), 1_000)
        )
        with database.write() as connection:
            database.put_ratings(connection, columns)


def sums(database: Database) -> tuple[float, ...]:
    with database.read() as connection:
        return tuple(connection.exec_driver_sql(QUERY).one())


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(report: Report, folder: Path, rows: int) -> None:
    settings = Settings(data_dir=folder / "here")
    database = open_database(settings, durable=False)
    note(f"{rows:,} ratings are written")
    fill(database, rows)
    archive, ended, writes = folder / "backup.tar", threading.Event(), [0]
    inside: list[tuple[float, ...]] = []

    def write() -> None:
        other = open_database(settings)
        while not ended.wait(0.01):
            with other.write() as connection:
                ratings.put(connection, Rating(10**9 + writes[0], 1, 3.0, 1_000))
            writes[0] += 1
        other.close()

    def back_up() -> None:
        with making.moment(database, settings) as moment, archive.open("wb") as file:
            inside.append(tuple(moment.connection.exec_driver_sql(QUERY).one()))
            making.write(moment, database, file, folder)
            os.fsync(file.fileno())

    thread = threading.Thread(target=write)
    thread.start()
    wal = settings.data_dir / "matinee.db-wal"
    seconds = timed(back_up)
    grown = wal.stat().st_size
    ended.set()
    thread.join()
    there = Settings(data_dir=folder / "there")
    with archive.open("rb") as file:
        again = timed(lambda: restore(there, file, set()))
    other = open_database(there)
    is_same = sums(other) == inside[0]
    other.close()
    size = archive.stat().st_size
    row = {"ratings": rows, "archive_mb": size / 1e6, "backup_s": seconds, "mb_per_s": size / 1e6 / seconds}
    row |= {"wal_mb": grown / 1e6, "writes_meanwhile": writes[0], "restore_s": again, "same": is_same}
    report.add(**row)
    database.close()
    report.at_least("the digest is that of the moment", float(is_same), 1)
    report.at_least("writes went on", writes[0], 1)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000_000])
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: a temporary one)")
    options = parser.parse_args()
    report = Report("backup")
    for rows in options.rows:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            measure(report, Path(scratch), rows)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

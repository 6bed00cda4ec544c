"""Millions of ratings go from SQLite to PostgreSQL by `matinee migrate-storage`, which is killed on the way.

uv run python -m benchmarks.migrate_storage --rows 5000000 --json FILE
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app import kinds  # noqa: F401  (registers them)
from app.config import Settings
from app.imports.kinds import IMPORT, ImportParams
from app.repository import tasks
from app.storage import engine_of, open_database
from app.storage.unfinished import find
from app.task import Task
from app.tasks.start import start
from app.tasks.worker import run_next
from benchmarks.backup import fill, sums
from benchmarks.report import Report, arguments, note
from tests.postgres import PostgresServer

FILE = b"user_id,movie_id,score\n900000001,1,4.5\n900000001,32,3\n"


def made(settings: Settings, rows: int) -> Task:
    """The source, with an import that is queued."""
    database = open_database(settings, durable=False)
    note(f"{rows:,} ratings are written")
    fill(database, rows)
    settings.uploads_dir.mkdir()
    (settings.uploads_dir / "a.csv").write_bytes(FILE)
    task = start(database, IMPORT.name, ImportParams("uploads/a.csv", "a.csv", len(FILE)))
    database.close()
    return task


def command(source: Settings, target: Settings) -> subprocess.Popen[bytes]:
    words = ["migrate-storage", source.url, target.database_url, "--to-dir", str(target.data_dir), "--json"]
    environment = os.environ | source.to_environment()
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", *words], env=environment, stdout=subprocess.PIPE
    )


def killed_in_the_middle(source: Settings, target: Settings, rows: int) -> int:
    """Start the command and kill it once half of the ratings are there; returns how many are."""
    started, database = command(source, target), engine_of(target)(target)
    there = 0
    while started.poll() is None and there < rows // 2:
        time.sleep(0.2)
        with database.read() as connection:
            place = find(connection)
            if place is not None and place.table == "ratings":
                there = connection.execute(sa.text("SELECT count(*) FROM ratings")).scalar_one()
    started.send_signal(signal.SIGKILL)
    started.communicate()
    database.close()
    return there


def moved(source: Settings, target: Settings) -> dict[str, Any]:
    """Run the command to its end; what it printed."""
    started = command(source, target)
    printed, _ = started.communicate()
    if started.returncode:
        raise SystemExit("migrate-storage failed")
    found: dict[str, Any] = json.loads(printed)
    return found


def measure(report: Report, folder: Path, server: PostgresServer, rows: int, *, both_ways: bool) -> None:
    source = Settings(data_dir=folder / "here")
    task = made(source, rows)
    target = replace(source, data_dir=folder / "there", database_url=server.url(server.create_database()))
    there = killed_in_the_middle(source, target, rows)
    note(f"killed with {there:,} ratings in the target")
    after_kill = moved(source, target)
    with closing(open_database(source)) as here, closing(open_database(target)) as other:
        is_same = sums(here) == sums(other)
        while run_next(other, target):
            pass
        with other.read() as connection:
            ended = tasks.get(connection, task.id)
    runs = [("after the kill", after_kill)]
    if both_ways:
        whole = replace(source, data_dir=folder / "whole", database_url=server.url(server.create_database()))
        back = replace(
            source, data_dir=folder / "back", database_url=f"sqlite:///{folder / 'back' / 'matinee.db'}"
        )
        runs += [("at once", moved(source, whole)), ("back", moved(whole, back))]
    for way, found in runs:
        total = sum(table["rows"] for table in found["tables"].values())
        report.add(
            run=way,
            rows=total,
            seconds=found["seconds"],
            rows_per_s=total / found["seconds"],
            ratings_digest=found["tables"]["ratings"]["digest"][:12],
            resumed=str(found["resumed"]),
        )
    report.at_least("killed with so many ratings there", there, 1)
    report.at_most("and fewer than all", there, rows - 1)
    report.at_least("it went on where it stopped", float(after_kill["resumed"]), 1)
    same = all(found["tables"] == after_kill["tables"] for _, found in runs)
    report.at_least("every digest is the same, there and back", float(same), 1)
    report.at_least("sums of the ratings by SQL are the same", float(is_same), 1)
    report.at_least(
        "the task that was queued is complete", float(ended is not None and ended.status == "complete"), 1
    )


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: a temporary one)")
    parser.add_argument("--both-ways", action="store_true", help="also without a kill, and back to SQLite")
    options = parser.parse_args()
    report = Report("migrate_storage")
    with closing(PostgresServer()) as server, tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        measure(report, Path(scratch), server, options.rows, both_ways=options.both_ways)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

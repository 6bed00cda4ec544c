r"""The import into PostgreSQL beside psql's \copy of the same file, and a writer that waits for it.

Of `benchmarks.imports --engine postgresql`. The server syncs; every run has a new database, after a
CHECKPOINT. The writer's has files of its log to use again.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from app.storage import open_database
from benchmarks import imports
from benchmarks.report import Report, note
from tests.postgres import PostgresServer

ROUNDS = 3
COLUMNS = "ratings (user_id, movie_id, score, rated_at)"


def copied(path: Path, directory: Path, _size: str, url: str, psql: Path) -> float:
    """Seconds of `\\copy`."""
    open_database(imports.settings_of(directory, url)).close()
    command = f"\\copy {COLUMNS} FROM '{path}' (FORMAT csv, HEADER)"
    started = time.perf_counter()
    subprocess.run([str(psql), "-q", "-v", "ON_ERROR_STOP=1", "-c", command, url], check=True)
    return time.perf_counter() - started


@contextmanager
def _database(server: PostgresServer) -> Iterator[str]:
    name = server.create_database()
    psql = [str(server.binaries / "psql"), "-q", server.url(name), "-c"]
    subprocess.run([*psql, "CHECKPOINT"], check=True)
    yield server.url(name)
    server.drop_database(name)


def measure(report: Report, folder: Path, size: str) -> None:
    """Both in turns, so that what else the machine does meets both."""
    path = imports.write_files(folder, size)["sorted"]
    rows = sum(1 for _ in path.open("rb")) - 1
    server = PostgresServer(lasting=True)
    try:
        engines: dict[str, Callable[[str], imports.Engine]] = {
            r"\copy": lambda url: partial(copied, url=url, psql=server.binaries / "psql"),
            "Matinee": lambda url: partial(imports.matinee, url=url),
        }
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for number in range(ROUNDS):
            for name, engine in engines.items():
                note(f"round {number + 1} of {ROUNDS}: {name}")
                with _database(server) as url:
                    found = imports.measured(engine(url), path, size)
                assert found is not None
                seconds[name].append(found[0])
                report.add(
                    engine=name, round=number + 1, size=size, seconds=round(found[0], 2),
                    rows_per_second=round(rows / found[0]), peak_mb=round(found[1]),
                )  # fmt: skip
        ratio = median(seconds[r"\copy"]) / median(seconds["Matinee"])
        report.at_least(rf"speed against \copy into the same table, median of {ROUNDS}", ratio, 0.7)
        note("a writer beside an import")
        server.wear()
        with _database(server) as url:
            imports.latency(report, folder, size, url)
    finally:
        server.close()

"""Imports beside what else brings a CSV into the database, and how long a writer waits for one.

`uv run --group bench python -m benchmarks.imports --size 20M --json FILE`: rows a second and peak memory of
each in a process of its own; the importer with undo and locks, the others without. On SQLite, or with
`--engine postgresql` on a server of its own that syncs.
"""

import argparse
import csv
import importlib
import multiprocessing
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app import kinds  # noqa: F401  (registers them)
from app.config import Settings
from app.imports.kinds import IMPORT
from app.rating import Rating
from app.repository import catalogue, ratings, tasks
from app.storage import Database, open_database
from app.tasks.attempt import Attempt
from app.tasks.execution import execute
from app.tasks.lanes import claim
from benchmarks.report import Report, own_peak
from benchmarks.synthetic import SHAPES, stored

SIZES = ("1M", "5M", "20M")
LINES = 1_000_000
BAD_LINE = "{user},{movie},4.25,1000000000\n"  # no such score
POST_EVERY = 0.02
CREATE = (
    "CREATE TABLE ratings (user_id INTEGER NOT NULL, movie_id INTEGER NOT NULL, score REAL NOT NULL, "
    "rated_at INTEGER NOT NULL, import_seq INTEGER, PRIMARY KEY (user_id, movie_id)) WITHOUT ROWID"
)
UPSERT = (
    "INSERT INTO ratings VALUES (?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET score = excluded.score, "
    "rated_at = excluded.rated_at WHERE excluded.rated_at >= rated_at"
)


def write_files(folder: Path, size: str, bad: float = 0.0) -> dict[str, Path]:
    """The ratings of a size as CSV, sorted by user and movie, and shuffled with a share of bad lines."""
    table = stored(folder, size).scores
    random = np.random.default_rng(1)
    users = np.repeat(np.arange(1, len(table.indptr)), np.diff(table.indptr))
    columns = (users, table.indices.astype(np.int64) + 1, np.clip(np.rint(table.values * 2), 1, 10) / 2)
    times = random.integers(1_000_000_000, 1_700_000_000, len(users))
    paths = {
        "sorted": folder / f"{size}-sorted.csv",
        f"shuffled, {bad:.1%} bad": folder / f"{size}-{bad}.csv",
    }
    orders = (np.arange(len(users)), random.permutation(len(users)))
    for path, order, share in zip(paths.values(), orders, (0.0, bad), strict=True):
        if not path.exists():
            _write(path, (*columns, times), order, random.random(len(users)) < share)
    return paths


def _write(
    path: Path, columns: tuple[NDArray[Any], ...], order: NDArray[Any], bad: NDArray[np.bool_]
) -> None:
    with path.open("w") as file:
        file.write("user_id,movie_id,score,rated_at\n")
        for start in range(0, len(order), LINES):
            rows = order[start : start + LINES]
            lines = zip(*(column[rows].tolist() for column in columns), bad[rows].tolist(), strict=True)
            file.writelines(
                BAD_LINE.format(user=u, movie=m) if spoilt else f"{u},{m},{s},{t}\n"
                for u, m, s, t, spoilt in lines
            )


def settings_of(directory: Path, url: str = "") -> Settings:
    return replace(Settings.from_environment(), data_dir=directory, database_url=url)


def prepare(settings: Settings, size: str) -> Database:
    """A database that is empty but for the movies."""
    database = open_database(settings, durable=False)
    with database.write() as connection:
        film: dict[str, Any] = {"year": None, "genre": None, "source": "import", "created_at": 1.0}
        films = {i: film | {"title": f"Film {i}"} for i in range(1, SHAPES[size].movies + 1)}
        catalogue.put(connection, catalogue.MOVIE, films)
    return database


def matinee(path: Path, directory: Path, size: str, url: str = "") -> float:
    """Seconds of the import as the worker does it."""
    settings = settings_of(directory, url)
    return imported(path, settings, prepare(settings, size))


def imported(path: Path, settings: Settings, database: Database) -> float:
    settings.uploads_dir.mkdir(parents=True, exist_ok=True)
    (settings.uploads_dir / path.name).symlink_to(path.absolute())
    params = {"file": f"uploads/{path.name}", "filename": path.name, "user_id": None, "dry_run": False}
    with database.write() as connection:
        tasks.create(connection, IMPORT.name, params, now=time.time())
        task = claim(connection, now=time.time())
    assert task is not None
    started = time.perf_counter()
    execute(Attempt(task, database, settings))
    seconds = time.perf_counter() - started
    with database.read() as connection:
        ended = tasks.get(connection, task.id)
    assert ended is not None
    assert ended.result is not None, ended.error
    return seconds


def _as_worker(path: Path, settings: Settings) -> None:
    os.nice(settings.worker_nice)
    imported(path, settings, open_database(settings, durable=False))


def shell(path: Path, directory: Path, _size: str) -> float:
    """Seconds of the sqlite3 shell's `.import`; into a table without `import_seq`, which the file lacks."""
    database = directory / "shell.db"
    lines = ["PRAGMA journal_mode=WAL;", "PRAGMA synchronous=NORMAL;"]
    lines += [CREATE.replace("import_seq INTEGER, ", "") + ";"]
    lines += [f".import --csv --skip 1 {path} ratings"]
    started = time.perf_counter()
    subprocess.run(
        ["sqlite3", str(database)], input="\n".join(lines), text=True, check=True, capture_output=True
    )
    return time.perf_counter() - started


def executemany(path: Path, directory: Path, _size: str) -> float:
    """Seconds of the csv module and one upsert a row, checked as little as a conversion does."""
    database = sqlite3.connect(directory / "executemany.db")
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-16000"):
        database.execute(f"PRAGMA {pragma}")
    database.execute(CREATE)
    started = time.perf_counter()
    with path.open(newline="") as file, database:
        reader = csv.reader(file)
        next(reader)
        database.executemany(UPSERT, ((int(u), int(m), float(s), int(t)) for u, m, s, t in reader))
    return time.perf_counter() - started


def duckdb_copy(path: Path, directory: Path, _size: str) -> float:
    """Seconds of DuckDB's COPY into a table without a key."""
    database: Any = importlib.import_module("duckdb").connect(str(directory / "duck.db"))
    database.execute("CREATE TABLE ratings (u BIGINT, m BIGINT, s DOUBLE, t BIGINT)")
    started = time.perf_counter()
    database.execute(f"COPY ratings FROM '{path}' (HEADER)")
    return time.perf_counter() - started


Engine = Callable[[Path, Path, str], float]
PEERS: dict[str, Engine] = {
    "sqlite3 shell .import": shell,
    "csv + executemany": executemany,
    "DuckDB COPY": duckdb_copy,
}


def measured(engine: Engine, path: Path, size: str) -> tuple[float, float] | None:
    """Seconds and peak memory in MB of an engine in a process of its own; None where it is not installed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(dir=path.parent) as directory:
        child = context.Process(target=_child, args=(engine, path, Path(directory), size, theirs))
        child.start()
        theirs.close()
        try:
            found: tuple[float, float] | None = ours.recv()
        except EOFError:
            found = None
        child.join()
    return found


def _child(engine: Engine, path: Path, directory: Path, size: str, pipe: Any) -> None:
    try:
        seconds = engine(path, directory, size)
    except (ImportError, FileNotFoundError):
        pipe.send(None)
        return
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    pipe.send((seconds, (children if engine is shell else own_peak()) / 1024))


def compare(report: Report, folder: Path, size: str, peers: Iterable[str]) -> None:
    """One size: the importer on every file, the others on the sorted one, which is their best case."""
    clean, few, many = (write_files(folder, size, bad) for bad in (0.0, 0.001, 0.05))
    paths = clean | few | many
    rows = sum(1 for _ in paths["sorted"].open("rb")) - 1
    runs: list[tuple[str, Engine, str]] = [("Matinee", matinee, name) for name in paths]
    runs += [(name, PEERS[name], "sorted") for name in peers]
    seconds: dict[tuple[str, str], float] = {}
    for name, engine, file in runs:
        found = measured(engine, paths[file], size)
        if found is None:
            print(f"{name} is not installed: left out", file=sys.stderr)
            continue
        seconds[name, file] = found[0]
        report.add(
            engine=name, file=file, size=size, seconds=round(found[0], 2),
            rows_per_second=round(rows / found[0]), peak_mb=round(found[1]),
        )  # fmt: skip
        if name == "Matinee":
            report.at_most(f"peak memory, {size} {file}, MB", found[1], 1000)
    if reference := seconds.get(("sqlite3 shell .import", "sorted")):
        ratio = reference / max(seconds["Matinee", file] for file in clean)
        name = f"speed against the shell's sorted import, {size}"
        if size == SIZES[-1]:
            report.at_least(name, ratio, 1.5)
        else:  # a second of it is the start of the compiled lane
            report.add(compared=name, ratio=round(ratio, 2))


def latency(report: Report, folder: Path, size: str, url: str = "") -> None:
    """A rating every 20 ms while an import runs in another process: how long each takes, and none is lost."""
    path = write_files(folder, size)["sorted"]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        settings = settings_of(Path(name), url)
        prepare(settings, size).close()
        database = open_database(settings)
        with database.write() as connection:  # what a server has long done: connect, build its statements
            ratings.put(connection, Rating(1_000_000_000, 1, 4.0, 1))
        context = multiprocessing.get_context("spawn")
        child = context.Process(target=_as_worker, args=(path, settings))
        child.start()
        waits, user = [], 1_000_000_000
        due = time.perf_counter()
        while child.is_alive():
            due += POST_EVERY
            time.sleep(max(0.0, due - time.perf_counter()))
            user += 1
            with database.write() as connection:
                ratings.put(connection, Rating(user, 1, 4.0, int(time.time())))
            waits.append(
                (time.perf_counter() - due) * 1000
            )  # from when it was due: a late one delays the next
        child.join()
        assert child.exitcode == 0, "the import failed"
        with database.read() as connection:
            kept = sum(len(ratings.of_user(connection, u)) for u in range(1_000_000_001, user + 1))
        database.close()
    p50, p99, most = np.percentile(waits, [50, 99, 100])
    report.add(writes=len(waits), lost=len(waits) - kept, during=size, p50_ms=p50, p99_ms=p99, max_ms=most)
    report.at_most("writes lost during an import", len(waits) - kept, 0)
    report.at_most("wait of a write during an import, p99, ms", float(p99), 20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--size", choices=SIZES, default="1M")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--folder", type=Path, help="where generated files are kept; default: thrown away")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = Report("imports")
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.engine == "postgresql":
            from benchmarks import imports_postgresql

            imports_postgresql.measure(report, folder, arguments.size)
        else:
            compare(report, folder, arguments.size, filter(None, arguments.peers.split(",")))
            latency(report, folder, arguments.size)
    finally:
        if not arguments.folder:
            shutil.rmtree(folder)
    return report.finish(arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())

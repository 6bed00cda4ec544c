"""Millions of ratings from SQLite into Parquet: seconds, memory, and what DuckDB and pandas read of it.

uv run --group bench python -m benchmarks.parquet --rows 20000000 --json FILE
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.config import Settings
from app.exports.folder import export, update
from app.storage import open_database
from benchmarks.backup import fill
from benchmarks.report import Report, arguments, note, own_peak

MOST_SECONDS, MOST_MB = 30.0, 1_000.0
"""For 20 million ratings."""


def by_duckdb(folder: Path) -> str:
    import duckdb

    query = "SELECT user_id, movie_id, score, epoch(rated_at)::BIGINT FROM read_parquet(?) ORDER BY 1, 2"
    digest = hashlib.sha256()
    with duckdb.connect() as connection:
        connection.execute(query, [f"{folder}/ratings/*.parquet"])
        while len((part := list(connection.fetch_df_chunk(100).to_dict("series").values()))[0]):
            update(digest, *part)
    return digest.hexdigest()


def by_pandas(folder: Path) -> str:
    import pandas

    frame: Any = pandas.read_parquet(folder / "ratings").sort_values(["user_id", "movie_id"], kind="stable")
    digest = hashlib.sha256()
    seconds = frame.rated_at.astype("datetime64[s, UTC]").astype("int64")
    update(digest, frame.user_id, frame.movie_id, frame.score, seconds)
    return digest.hexdigest()


def exported(data: Path, folder: Path, partitions: int) -> tuple[float, float]:
    """Seconds of `matinee export` in a process of its own, and the MB that it had at most."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.parquet",
        "--export",
        str(data),
        str(folder),
        str(partitions),
    ]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(out[0]), float(out[1])


def export_here(data: Path, folder: Path, partitions: int) -> None:
    database = open_database(Settings(data_dir=data))
    began = time.perf_counter()
    export(database, folder, partitions)
    seconds = time.perf_counter() - began
    print(seconds, own_peak() / 1024)
    database.close()


def measure(report: Report, folder: Path, rows: int, partitions: int) -> None:
    database = open_database(Settings(data_dir=folder / "data"), durable=False)
    note(f"{rows:,} ratings are written")
    fill(database, rows)
    database.close()
    seconds, mb = exported(folder / "data", folder / "out", partitions)
    said = (folder / "out" / "export.json").read_text(encoding="utf-8")
    readers: dict[str, Callable[[Path], str]] = {"DuckDB": by_duckdb, "pandas": by_pandas}
    size = sum(path.stat().st_size for path in (folder / "out").rglob("*.parquet")) / 1e6
    report.add(ratings=rows, partitions=partitions, seconds=seconds, memory_mb=mb, parquet_mb=size)
    for name, read in readers.items():
        report.at_least(
            f"{name} reads the same, {partitions} partitions", float(read(folder / "out") in said), 1
        )
    share = rows / 20_000_000
    report.at_most(f"seconds, {partitions} partitions", seconds, max(2.0, MOST_SECONDS * share))
    report.at_most(f"memory, MB, {partitions} partitions", mb, MOST_MB)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: a temporary one)")
    parser.add_argument("--export", nargs=3, help="used by the benchmark itself")
    options = parser.parse_args()
    if options.export:
        data, folder, partitions = options.export
        export_here(Path(data), Path(folder), int(partitions))
        return 0
    report = Report("parquet")
    for partitions in options.partitions:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            measure(report, Path(scratch), options.rows, partitions)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

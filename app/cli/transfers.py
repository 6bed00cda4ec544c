"""`matinee migrate-storage`: the whole service is brought into another database, while it is stopped."""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from app import kinds  # noqa: F401  (registers them)
from app.cli.progress import Shown
from app.config import Settings
from app.storage.private import be_private
from app.transfers.transfer import Report, transfer


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    be_private()
    source = replace(settings, database_url=options.source)
    folder = Path(options.to_dir) if options.to_dir else settings.data_dir
    target = replace(settings, database_url=options.target, data_dir=folder)
    began, shown = time.monotonic(), {"copying files": Shown(), "": Shown("rows", 1)}

    def told(phase: str, done: int, total: int) -> None:
        (shown["copying files"] if phase == "copying files" else shown[""])(phase, done, total)

    try:
        report = transfer(source, target, told)
    except KeyboardInterrupt:
        print("\nmatinee: Interrupted. The same command goes on where it stopped.", file=sys.stderr)
        return 130
    finally:
        shown[""].end()
    _print(report, target, time.monotonic() - began, as_json=options.json)
    return 0


def _print(report: Report, target: Settings, seconds: float, *, as_json: bool) -> None:
    rows = {name: {"rows": one.rows, "digest": one.text} for name, one in report.tables.items()}
    if as_json:
        result = {"tables": rows, "files": report.files, "resumed": report.resumed, "missing": report.missing}
        print(json.dumps(result | {"goes_on": report.goes_on, "seconds": round(seconds, 3)}, indent=2))
        return
    for name, one in report.tables.items():
        if one.rows:
            print(f"{name:24} {one.rows:>14,} rows  {one.text}")
    total = sum(one.rows for one in report.tables.values())
    print(f"{total:,} rows and {report.files:,} files were moved; every digest is the same.")
    for what in report.missing:
        print(f"{what} was not found in {target.data_dir}.")
    if report.goes_on:
        print(f"Tasks that go on with the next worker: {report.goes_on:,}")
    url = sa.make_url(target.database_url).render_as_string(hide_password=True)
    print(f"FROM is as it was. Set MATINEE_DATABASE_URL={url}", end="")
    print(f" and MATINEE_DATA_DIR={target.data_dir}, then start the service.")

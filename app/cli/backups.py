"""`matinee backup | restore | vacuum`: they work on the data itself, also while a server runs."""

import argparse
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from app.backups import ledger, making
from app.backups.archive import Header
from app.backups.files import written
from app.backups.restoring import Report, refuse_data, restore
from app.cli.progress import Shown
from app.config import Settings
from app.errors import BadRequest, Unavailable
from app.storage import engine_of, open_database
from app.storage.private import be_private


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Run one of the commands; returns the exit status."""
    be_private()
    return {"backup": _backup, "restore": _restore, "vacuum": _vacuum}[options.name](settings, options)


def _backup(settings: Settings, options: argparse.Namespace) -> int:
    if options.file == "-":
        return _to_standard_output(settings)
    path, shown = Path(options.file), Shown()
    with closing(open_database(settings)) as database:
        with making.moment(database, settings) as moment, written(path) as file:
            making.refuse_full(path.parent, 2 * moment.database_bytes + moment.file_bytes)
            made = making.write(moment, database, file, path.parent, shown)
        shown.end()
    ledger.note(path.parent, made.forgotten)
    _say(f"{path}: {made.size / 1e6:,.1f} MB, SHA-256 of the contents {made.digest}")
    _warn(made)
    return 0


def _to_standard_output(settings: Settings) -> int:
    if sys.stdout.isatty():
        raise BadRequest(
            "Standard output is a terminal: name a file, or pipe it, as in `matinee backup - | gzip`."
        )
    shown = Shown()
    with closing(open_database(settings)) as database, making.moment(database, settings) as moment:
        made = making.write(moment, database, sys.stdout.buffer, settings.data_dir, shown)
    shown.end()
    _warn(made)
    return 0


def _warn(made: making.Made) -> None:
    for what in made.left_out:
        _say(f"left out: {what}")


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    refuse_data(settings)
    path = Path(options.file)
    forgotten: ledger.Entries = set()
    for source in options.forgotten or ():
        forgotten |= ledger.found(source)
    if options.file == "-":
        report = restore(settings, sys.stdin.buffer, forgotten)
    elif not path.is_file():
        raise BadRequest(f"There is no file {path}. Name an archive that `matinee backup` has made.")
    else:
        with path.open("rb") as file:
            report = restore(settings, file, forgotten | ledger.read(path.parent / ledger.NAME))
    for line in _lines(settings, report):
        print(line)
    return 0


def _lines(settings: Settings, report: Report) -> list[str]:
    header = report.header
    made = datetime.fromtimestamp(header.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [
        f"Restored into {settings.data_dir}: {report.ratings:,} ratings and {report.files:,} files as of "
        f"{made}, by release {header.release}. Every digest is right."
    ]
    lines += [f"The backup did not have {what}." for what in header.left_out]
    if report.goes_on:
        lines.append(f"Tasks that go on with the next worker: {', '.join(report.goes_on)}")
    if report.dropped:
        lines.append(f"Dropped, since they were forgotten later: {', '.join(map(str, report.dropped))}")
    if report.ended:
        ended = ", ".join(report.ended)
        lines.append(f"Cancelled, since they may hold somebody who was forgotten: {ended}. Start them again.")
    lines += [
        f"It was set there: {name}={value}" for name, value in sorted(_other_settings(settings, header))
    ]
    lines.append(
        "Start it with `matinee serve`. Access tokens are asked for anew: their secret is in no backup."
    )
    return lines


def _other_settings(settings: Settings, header: Header) -> list[tuple[str, str]]:
    here = making.shown_settings(settings)
    passed = {"MATINEE_DATA_DIR", "MATINEE_DATABASE_URL"}
    return [
        (name, value)
        for name, value in header.settings.items()
        if here.get(name) != value and name not in passed
    ]


def _vacuum(settings: Settings, _options: argparse.Namespace) -> int:
    open_database(settings).close()
    try:
        before, after = engine_of(settings).copies.rewrite(settings)
    except Unavailable:
        raise Unavailable(
            "Others were writing all the time, or a backup was being made, so that nothing was changed. Try "
            "again when less is going on, such as without an import."
        ) from None
    print(f"The database took {before / 1e6:,.1f} MB and takes {after / 1e6:,.1f} MB.")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)

"""`matinee export`: everything as Parquet; it works on the database itself."""

import argparse
from contextlib import closing

from app.cli.progress import Shown
from app.config import Settings
from app.exports import folder
from app.storage import open_database
from app.storage.private import be_private


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Write the export and say what it has; returns the exit status."""
    be_private()
    shown = Shown("rows", 1)
    with closing(open_database(settings)) as database:
        made = folder.export(database, options.folder, options.partitions, shown)
    shown.end()
    print(
        f"{options.folder}: {made.ratings:,} ratings of {made.users:,} users, {made.movies:,} movies, "
        f"{made.marks:,} marks; SHA-256 of the ratings {made.sha256}"
    )
    return 0

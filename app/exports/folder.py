"""The folder of an export: ratings, movies and marks as Parquet, all as of one moment, in bounded memory.

It is written beside its place and renamed once it is whole.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from app import descriptors
from app.arrays import Integers
from app.errors import BadRequest
from app.recommender import evaluation
from app.repository import batches
from app.repository import movies as movie_queries
from app.repository import ratings as rating_queries
from app.storage import Database
from app.storage.parquet import Table, library
from app.threads import ahead

MOST_FILES = 512
"""Files that a table is divided into at most: each is open all the time, with a row group in memory."""
MOVIES = 2_000
"""Movies that are read at once."""
DESCRIPTION = "export.json"

RATINGS = {"user_id": "int64", "movie_id": "int64", "score": "float32", "rated_at": "time"}
MARKS = {"user_id": "int64", "movie_id": "int64", "mark": "string", "marked_at": "time"}
MOVIE = {"id": "int64", "title": "string", "year": "int32", "genre": "string"}

Told = Callable[[str, int, int], object]
"""(table, rows done, rows in all)"""


@dataclass(frozen=True)
class Exported:
    """What is in the folder, as `export.json` says. `sha256`: see `update`."""

    release: str
    partitions: int
    ratings: int
    movies: int
    marks: int
    users: int
    held_out: int
    sha256: str


def update(digest: Any, users: Integers, movies: Integers, scores: Any, times: Integers) -> None:
    """Add ratings to a SHA-256: by user and movie, four little-endian 64-bit integers each.

    These are user, movie, score in half steps, and time in epoch seconds.
    """
    steps = (np.asarray(scores, np.float64) * 2).astype(np.int64)
    digest.update(np.column_stack((users, movies, steps, times)).astype("<i8").tobytes())


def partition_of(users: Integers, partitions: int) -> Integers:
    """The partition of each user: a hash of the id (`evaluation.mix`) modulo their number."""
    return (evaluation.mix(users) % np.uint64(partitions)).astype(np.int64)


def export(database: Database, folder: Path, partitions: int, told: Told = lambda *_: None) -> Exported:
    """Write the export. Raises `BadRequest` for a folder that has something in it, and `OSError`."""
    library()
    if not 1 <= partitions <= MOST_FILES:
        raise BadRequest(f"--partitions takes a number from 1 to {MOST_FILES}, not {partitions}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadRequest(
            f"{folder} is there already, and not an empty folder. Name one that is new or empty."
        )
    descriptors.raise_limit()
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with database.read() as connection:
            database.copies.pin(connection)
            exported = _write(connection, beside, partitions, told)
        text = json.dumps(asdict(exported), indent=2) + "\n"
        (beside / DESCRIPTION).write_text(text, encoding="utf-8")
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return exported


def _write(connection: Connection, folder: Path, partitions: int, told: Told) -> Exported:
    users, ratings, sha256 = _write_ratings(connection, folder, partitions, told)
    movies = _write_movies(connection, folder / "movies", told)
    marks = _write_marks(connection, folder / "marks", partitions)
    held_out = evaluation.held_out_of(users)
    with Table(folder / "held_out", {"user_id": "int64"}) as table:
        table.add({"user_id": held_out})
    release = version("matinee")
    return Exported(release, partitions, ratings, movies, marks, len(users), len(held_out), sha256)


def _write_ratings(
    connection: Connection, folder: Path, partitions: int, told: Told
) -> tuple[Integers, int, str]:
    """Returns the users, the number of ratings, and their digest."""
    total, digest, seen = rating_queries.count(connection), hashlib.sha256(), [np.empty(0, np.int64)]
    with Table(folder / "ratings", RATINGS, partitions) as table:
        for batch in ahead(batches.ratings(connection)):
            update(digest, *batch)
            table.add(dict(zip(RATINGS, batch, strict=True)), partition_of(batch[0], partitions))
            seen.append(np.unique(batch[0]))
            told("ratings", table.rows, total)
    return np.concatenate(seen), table.rows, digest.hexdigest()


def _write_movies(connection: Connection, folder: Path, told: Told) -> int:
    after, total = -1, movie_queries.count(connection)
    with Table(folder, MOVIE) as table:
        while found := movie_queries.listing(connection, limit=MOVIES, after=after):
            rows = ((m.id, m.title, m.year, m.genre) for m in found)
            columns = dict(zip(MOVIE, map(list, zip(*rows, strict=True)), strict=True))
            table.add({name: np.array(values, object) for name, values in columns.items()})
            after = found[-1].id
            told("movies", table.rows, total)
    return table.rows


def _write_marks(connection: Connection, folder: Path, partitions: int) -> int:
    with Table(folder, MARKS, partitions) as table:
        for users, movies, names, times in batches.marks(connection):
            columns = {"user_id": users, "movie_id": movies, "mark": np.array(names, object)}
            table.add(columns | {"marked_at": times}, partition_of(users, partitions))
    return table.rows

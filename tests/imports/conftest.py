"""Fixtures: files that are imported on the spot, and what the database then holds."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.config import Settings
from app.imports import import_ratings, undo_import
from app.imports.sizes import DEFAULT, Sizes
from app.movie import Movie
from app.repository import tasks
from app.repository.import_order import IMPORT_RATINGS, UNDO_IMPORT
from app.storage import Database
from app.storage.schema import metadata
from app.task import Task
from app.tasks.attempt import Attempt
from app.tasks.execution import execute
from app.tasks.lanes import claim
from tests.catalogue import put_movies

NOW = 1_700_000_000.5

Import = Callable[..., Task]
Undo = Callable[..., Task]


def queue(
    database: Database,
    path: Path | None,
    filename: str,
    kind: str = IMPORT_RATINGS,
    task_id: str = "",
    **params: Any,
) -> Task:
    """A queued import of a file, which comes into the data folder."""
    if path is not None:
        uploads = database._directory / "uploads"
        uploads.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, uploads / path.name)
    described = {
        "file": None if path is None else f"uploads/{path.name}",
        "filename": filename,
        "size": 0,
        "sha256": "",
    }
    described |= {"user_id": None, "dry_run": False, "undo_of": None} | params
    with database.write() as connection:
        return tasks.create(connection, kind, described, now=NOW, task_id=task_id)


def attempt(database: Database, settings: Settings, **arguments: Any) -> Attempt:
    """The next attempt at the task that has waited longest."""
    with database.write() as connection:
        task = claim(connection, now=NOW)
    assert task is not None
    return Attempt(task, database, settings, clock=lambda: NOW, **arguments)


def perform(attempt: Attempt, sizes: Sizes) -> None:
    """Run an attempt at an import or undo to its end, whatever that is, in parts of these sizes."""
    run = {IMPORT_RATINGS: import_ratings.run, UNDO_IMPORT: undo_import.run}[attempt.task.kind]
    execute(attempt, partial(run, sizes=sizes))


def ended(
    database: Database, settings: Settings, task: Task, chunk: int | None, sizes: Sizes = DEFAULT
) -> Task:
    """Run a queued task to its end."""
    perform(attempt(database, replace(settings, import_chunk=chunk or settings.import_chunk)), sizes)
    with database.read() as connection:
        found = tasks.get(connection, task.id)
    assert found is not None
    return found


@pytest.fixture
def run_import(database: Database, engine_settings: Settings, tmp_path: Path) -> Import:
    """Import some bytes or text: the ended task."""

    def run(
        content: bytes | str,
        filename: str = "file.csv",
        chunk: int | None = None,
        sizes: Sizes = DEFAULT,
        **params: Any,
    ) -> Task:
        path = tmp_path / "upload"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return ended(database, engine_settings, queue(database, path, filename, **params), chunk, sizes)

    return run


@pytest.fixture
def run_undo(database: Database, engine_settings: Settings) -> Undo:
    """Undo an import: the ended task."""

    def run(task: Task, chunk: int | None = None) -> Task:
        queued = queue(database, None, "", UNDO_IMPORT, undo_of=task.id)
        return ended(database, engine_settings, queued, chunk)

    return run


@pytest.fixture
def catalogue(database: Database) -> list[int]:
    """Ten movies, 1 to 10, alone in the database."""
    with database.write() as connection:
        connection.execute(metadata.tables["movies"].delete())
        put_movies(connection, [Movie(i, f"Film {i}") for i in range(1, 11)])
    return list(range(1, 11))


Row = tuple[Any, ...]


def table(database: Database, name: str) -> list[Row]:
    """Every row of a table, sorted."""
    with database.read() as connection:
        return sorted((tuple(row) for row in connection.execute(sa.select(metadata.tables[name]))), key=repr)


def ratings(database: Database) -> dict[tuple[int, int], tuple[float, int]]:
    """{(user, movie): (score, time)}."""
    return {(row[0], row[1]): (row[2], row[3]) for row in table(database, "ratings")}


def counts_are_right(database: Database) -> bool:
    """Whether the counts, sums and histograms of all movies are those of their ratings."""
    with database.read() as connection:
        movies = metadata.tables["movies"].c
        scored = [movies[f"scored_{n}"] for n in range(1, 11)]
        kept = connection.execute(sa.select(movies.id, movies.rating_count, movies.rating_sum, *scored)).all()
        query = "SELECT movie_id, score FROM ratings"
        true: dict[int, list[float]] = {}
        for movie_id, score in connection.execute(sa.text(query)):
            row = true.setdefault(movie_id, [0] * 12)
            row[0], row[1] = row[0] + 1, row[1] + score
            row[1 + int(score * 2)] += 1
    return {row[0]: list(row[1:]) for row in kept if any(row[1:])} == true


def adds_up(task: Task) -> bool:
    """Whether the figures of an import add up to the rows read."""
    assert task.result is not None, task.error
    parts = ("new", "replaced", "unchanged", "older", "duplicate", "waiting", "marks", "rejected")
    return bool(task.result["read"] == sum(task.result[name] for name in parts))

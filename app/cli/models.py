"""`matinee models import | export`: movie factors from and for other programs."""

import argparse
import sys
import time
from contextlib import closing

from app.config import Settings
from app.errors import BadRequest, Conflict, NotFound
from app.repository import models, tasks
from app.serving import factor_file, import_model
from app.serving.model_store import ModelStore
from app.storage import Database, open_database
from app.storage.private import be_private
from app.task import COMPLETE, QUEUED, Task

LOOK = 0.3
"""Seconds between two looks at the task."""
QUIET = 5.0
"""Seconds in the queue after which it may be that no worker runs."""


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Run one of the commands; returns the exit status."""
    be_private()
    with closing(open_database(settings)) as database:
        return {"import": _import, "export": _export}[options.action](database, settings, options)


def _import(database: Database, settings: Settings, options: argparse.Namespace) -> int:
    if not options.file.is_file():
        raise BadRequest(f"There is no file {options.file}. Name an npz or Parquet with movie factors.")
    factors = factor_file.read(options.file, settings.max_upload)
    task = import_model.start(database, settings, factors, options.file.name)
    movies, k = factors.factors.shape
    _say(f"{options.file}: {movies:,} movies, {k} factors; task {task.id}")
    try:
        task = _ended(database, task)
    except KeyboardInterrupt:
        _say(f"The import goes on without this command, as task {task.id}.")
        raise
    if task.status != COMPLETE or task.result is None:
        detail = (task.error or {}).get("detail", f"the task was {task.status}")
        _say(f"matinee: {detail} The model that is served stays as it is.")
        return 1
    print(f"Version {task.result['version']}: {task.result['reason']}")
    return 0 if task.result["promoted"] else 1


def _ended(database: Database, task: Task) -> Task:
    """The task once it has ended; says meanwhile what it does."""
    shown, began, said = "", time.monotonic(), False
    while not task.ended:
        time.sleep(LOOK)
        with database.read() as connection:
            found = tasks.get(connection, task.id)
        if found is None:
            raise NotFound(f"Task {task.id} is gone.")
        task = found
        if task.phase and task.phase != shown:
            shown = task.phase
            _say(shown)
        if task.status == QUEUED and not said and time.monotonic() - began > QUIET:
            said = True
            _say(
                "It waits for a worker, which `matinee serve` or `matinee worker` starts, or for other tasks."
            )
    return task


def _export(database: Database, settings: Settings, options: argparse.Namespace) -> int:
    with database.read() as connection:
        active = models.active(connection)
        if options.version is None and active is None:
            raise NotFound("No model is served yet: rebuild first, or name a --version.")
        number: int = active.version if options.version is None and active else options.version
        found = models.get(connection, number)
    model = ModelStore.of(settings).read(found.checksum, version=number, created_at=found.created_at)
    if options.file.exists():
        raise BadRequest(f"{options.file} is there already. Name a new file.")
    if not len(model.movie_ids):
        raise Conflict(
            f"Version {number} was built without ratings, so it has no factors to write: import ratings and "
            "rebuild, or name another --version. Nothing was written."
        )
    factor_file.write(options.file, model)
    print(
        f"{options.file}: version {number}, {len(model.movie_ids):,} movies, {model.factors.shape[1]} factors"
    )
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

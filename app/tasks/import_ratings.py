"""Import a file: parse it to sorted runs, then merge them range by range, exactly once."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from app.errors import Invalid
from app.imports import merge, rejects
from app.imports.files import Member, members
from app.imports.formats import RATINGS
from app.imports.merge import Figures
from app.imports.parse import REJECTS, Parser
from app.imports.rejects import Reject
from app.repository import catalogue, imports, movies
from app.sample import RATINGS as SAMPLE
from app.tasks.attempt import Attempt

COMPACT_EVERY = 64
"""Ranges after which the pending changes of counts are summed up."""
CATALOGUE_CHUNK = 500
SHOWN_REJECTS = 20


def run(attempt: Attempt) -> None:
    """Do the whole task, or what an earlier attempt has left of it."""
    settle(attempt)
    if attempt.task.cursor is None:
        _parse(attempt)
    _Merge(attempt).run()
    shutil.rmtree(attempt.directory, ignore_errors=True)


def settle(attempt: Attempt) -> None:
    """Make the pending changes of movie counts, also those that an import left which was cancelled."""
    with attempt.database.read() as connection:
        if not imports.pending_counts(connection):
            return
    with attempt.transaction() as connection:
        imports.compact_counts(connection, imports.SETTLED_AT_ONCE)
        waiting = imports.pending_counts(connection)
    for _ in range(waiting):
        with attempt.transaction() as connection:
            imports.settle_counts(connection)


def rejects_path(data_dir: Path, task_id: str) -> Path:
    """Where the rejects of an import are kept."""
    return data_dir / "imports" / task_id / "rejects.csv"


def _source(params: dict[str, Any]) -> list[Member]:
    if params.get("file") is None:
        return members(SAMPLE, "ratings.csv")
    path = Path(params["file"])
    if not path.exists():
        raise Invalid("The upload is gone from the data directory. Send the file again.")
    return members(path, params.get("filename") or path.name)


def _parse(attempt: Attempt) -> None:
    """The first phase. Its folder is the attempt's own: one that was replaced may still be writing to its."""
    shutil.rmtree(attempt.directory, ignore_errors=True)
    directory = attempt.directory / str(attempt.task.attempt)
    directory.mkdir(parents=True)
    found = _source(attempt.task.params)
    attempt.report(phase="parse", done=0, total=sum(member.size for member in found), unit="bytes")
    with attempt.database.read() as connection:
        deleted = imports.movies_deleted(connection)
        known = set(movies.known_ids(connection))
    parser = Parser(directory, known, started(attempt), lambda *, done: attempt.report(done=done))
    for member in found:
        parser.parse(member)
    cursor = {"directory": directory.name, "movies_deleted": deleted, "part": 0, "after": None}
    cursor["parsed"] = asdict(parser.parsed)
    cursor["rejects"] = parser.parsed.rejects
    parsed = parser.parsed
    cursor["figures"] = asdict(Figures(parsed.read, duplicate=parsed.duplicate, rejected=parsed.rejected))
    attempt.task = _with_cursor(attempt, cursor)


def _with_cursor(attempt: Attempt, cursor: dict[str, Any]) -> Any:
    from dataclasses import replace

    total = sum(
        sum(count for _, count in part["runs"]) for part in cursor["parsed"]["parts"] if "runs" in part
    )
    with attempt.transaction(phase="merge", done=0, total=total, unit="rows", cursor=cursor):
        pass
    return replace(attempt.task, cursor=cursor)


def started(attempt: Attempt) -> int:
    """The start of the import, the same for all its attempts, epoch seconds."""
    return int(attempt.task.started_at or attempt.task.created_at)

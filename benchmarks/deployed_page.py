"""What a cluster has to bear first: rows come in, a worker dies, a model is built, and all is there.

It knows no more of the cluster than an address, a database and the handles of the workers.
"""

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg

from app.client import MatineeClient
from app.task import ENDED, RUNNING
from benchmarks.report import Report, note
from tests.processes.imports import write_csv
from tests.server import poll

LEASE = 15.0
"""Seconds, as the workers have it."""
GRACE = 2.0
"""Seconds after the end of a lease in which another worker has to have the task."""
PEOPLE = 5


@dataclass(frozen=True)
class Running:
    """A cluster that others have started. `workers`: by whatever name."""

    url: str
    token: str
    database_url: str
    workers: Mapping[str, psutil.Popen]

    def holder(self, task: "Row") -> psutil.Popen | None:
        return next((one for one in self.workers.values() if str(task.worker).endswith(f":{one.pid}")), None)


class Row(NamedTuple):
    """A task at one moment."""

    status: str
    phase: str | None
    done: int
    worker: str | None
    attempt: int
    result: dict[str, Any] | None


Connection = psycopg.Connection[Any]


def first_page(running: Running, report: Report, rows: int, folder: Path) -> None:
    with (
        psycopg.connect(running.database_url, autocommit=True) as connection,
        MatineeClient(running.url, token=running.token) as client,
    ):
        task_id = client.start_import(write_csv(folder / "ratings.csv", rows, seed=1))["task_id"]
        _kill_its_worker(running, connection, task_id, report)
        _account(connection, _ended(connection, task_id), rows, report)
        rebuild = _ended(connection, client.start_rebuild()["task_id"])
        version = str((rebuild.result or {}).get("version"))
        found = [client.recommendations(user, 5) for user in range(1, PEOPLE + 1) for _ in range(2)]
        served = all(one.model_version == version and len(one.movie_ids) == 5 for one in found)
        report.at_least("recommendations from the new model", float(served), 1)


def _row(connection: Connection, task_id: str) -> Row:
    query = f"SELECT {', '.join(Row._fields)} FROM tasks WHERE id = %s"
    found = connection.execute(query.encode(), (task_id,)).fetchone()
    assert found is not None
    return Row(*found)


def _ended(connection: Connection, task_id: str) -> Row:
    poll(lambda: _row(connection, task_id).status in ENDED, within=900)
    return _row(connection, task_id)


def _kill_its_worker(running: Running, connection: Connection, task_id: str, report: Report) -> None:
    """kill -9 in the merge; the other worker goes on from the checkpoint."""

    def merging() -> Row | None:
        row = _row(connection, task_id)
        return row if row.phase == "merge" and row.done and row.status == RUNNING else None

    task = poll(merging, within=600, every=0.003)
    holder = running.holder(task)
    assert holder is not None
    began = time.monotonic()
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)

    def is_taken() -> bool:
        row = _row(connection, task_id)
        return row.attempt > task.attempt and row.status == RUNNING

    poll(is_taken, within=120)
    took = time.monotonic() - began
    note(f"taken over {took:.1f} s after kill -9 in the merge")
    report.at_most("takeover after kill -9 in the merge, s", took, LEASE + GRACE)


def _account(connection: Connection, task: Row, rows: int, report: Report) -> None:
    """Every row is in the report, and every rating that it counts in the table, once."""
    result: dict[str, Any] = task.result or {}
    parts = ("new", "replaced", "unchanged", "older", "duplicate", "rejected")
    counted = sum(result.get(part) or 0 for part in parts)
    report.add(status=task.status, attempts=task.attempt, **{part: result.get(part) for part in parts})
    report.at_most("rows of the import that are not accounted for", abs(rows - counted), 0)
    query = "SELECT (SELECT count(*) FROM ratings), (SELECT sum(rating_count) FROM movies)"
    stored, by_movies = connection.execute(query.encode()).fetchone() or (0, 0)
    report.at_most("ratings lost or doubled", abs(int(stored) - int(result.get("new", 0))), 0)
    report.at_most("counts of movies that differ", abs(int(stored) - int(by_movies)), 0)

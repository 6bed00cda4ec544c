"""Workers of PostgreSQL as real processes: one is killed, stopped for too long, or loses its sessions.

Whatever happens to a worker in the middle of an import, another one goes on within the lease and two seconds,
and the database and the report are those of an undisturbed run. The times are printed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.repository import task_totals, tasks
from app.storage import Database, open_database
from app.storage.locks import is_held
from app.task import COMPLETE, RUNNING, Task
from tests.postgres import PostgresServer
from tests.processes.imports import write_csv
from tests.server import poll

LEASE = 2.0
GRACE = 10.0
"""Seconds after the end of a lease in which another worker has the task, on a machine that other tests keep
busy; `benchmarks.cluster` has the bar."""
ROWS = 40_000


class Cluster:
    """An API in this process, and workers in theirs, which share a database and a folder."""

    def __init__(self, settings: Settings, count: int) -> None:
        self.settings = replace(settings, lease=LEASE, import_chunk=500, worker_nice=0)
        self.database: Database = open_database(self.settings)
        self.client = TestClient(create_app(self.settings))
        self.logs = [settings.data_dir.parent / f"worker-{n}.log" for n in range(count)]
        self.workers = [self._start(log) for log in self.logs]
        places = [self._place(worker) for worker in self.workers]
        poll(lambda: all(map(is_held, places)), within=120)

    def _start(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            command = [sys.executable, "-m", "app.cli", "worker"]
            return subprocess.Popen(
                command, env=os.environ | self.settings.to_environment(), stdout=file, stderr=file
            )

    def _place(self, worker: subprocess.Popen[bytes]) -> Path:
        return self.settings.data_dir / f"runner@{os.uname().nodename}:{worker.pid}.lock"

    def upload(self, path: Path) -> str:
        answer = self.client.post("/imports", content=path.read_bytes(), headers={"Content-Type": "text/csv"})
        return str(answer.raise_for_status().json()["task_id"])

    def row(self, task_id: str) -> Task:
        with self.database.read() as connection:
            task = tasks.get(connection, task_id)
        assert task is not None
        return task

    def in_merge(self, task_id: str) -> Task:
        """The task, once it has written some rows."""

        def begun() -> Task | None:
            task = self.row(task_id)
            return task if task.phase == "merge" and task.checkpoint else None

        return poll(begun, within=120, every=0.005)

    def wait(self, task_id: str) -> Task:
        def ended() -> Task | None:
            return task if (task := self.row(task_id)).ended else None

        return poll(ended, within=180)

    def goes_on(self, task_id: str) -> None:
        """Until it has counted more than now, or ended."""
        before = self.row(task_id).done
        poll(lambda: (row := self.row(task_id)).done > before or row.ended, within=180)

    def holder(self, task: Task) -> subprocess.Popen[bytes]:
        return next(one for one in self.workers if str(task.worker).endswith(f":{one.pid}"))

    def taken_over(self, task: Task) -> float:
        """Seconds until another worker has the task."""
        began = time.monotonic()
        poll(lambda: (new := self.row(task.id)).worker != task.worker and new.status == RUNNING, within=60)
        return time.monotonic() - began

    def effects(self, task: Task) -> list[Any]:
        sums = "count(*), sum(user_id), sum(movie_id), sum(score), sum(rated_at)"
        rejects = self.client.get(f"/imports/{task.id}/rejects").raise_for_status()
        queries = (
            f"SELECT {sums} FROM ratings",
            "SELECT id, rating_count, rating_sum FROM movies ORDER BY id",
            "SELECT count(*) FROM count_changes",
        )
        with self.database.read() as connection:
            found = [connection.execute(sa.text(query)).all() for query in queries]
        result = {name: value for name, value in (task.result or {}).items() if name != "seconds"}
        return [result, rejects.content, *found]

    def fenced(self) -> float:
        with self.database.read() as connection:
            totals = task_totals.listing(connection)
        return sum(value for _, figure, _, value in totals if figure == task_totals.FENCED)

    def close(self) -> None:
        for worker in self.workers:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        for worker in self.workers:
            worker.wait(30)
        self.client.app.state.service.close()  # type: ignore[attr-defined]
        self.database.close()


@pytest.fixture
def cluster(postgres: tuple[PostgresServer, str], tmp_path: Path) -> Iterator[Cluster]:
    server, template = postgres
    name = server.create_database(template)
    settings = Settings(tmp_path / "data", database_url=server.url(name), embedded_worker=False)
    cluster = Cluster(settings, 3)
    try:
        yield cluster
    finally:
        cluster.close()
        server.drop_database(name)


@pytest.fixture
def undisturbed(postgres: tuple[PostgresServer, str], tmp_path: Path) -> Iterator[list[Any]]:
    server, template = postgres
    name = server.create_database(template)
    settings = Settings(tmp_path / "calm" / "data", database_url=server.url(name), embedded_worker=False)
    settings.data_dir.mkdir(parents=True)
    calm = Cluster(settings, 1)
    try:
        yield calm.effects(calm.wait(calm.upload(csv(tmp_path))))
    finally:
        calm.close()
        server.drop_database(name)


def csv(folder: Path) -> Path:
    return write_csv(folder / "ratings.csv", ROWS, seed=1)


def test_a_worker_that_is_killed_is_replaced_within_its_lease(
    cluster: Cluster, undisturbed: list[Any], tmp_path: Path
) -> None:
    task = cluster.in_merge(cluster.upload(csv(tmp_path)))
    cluster.holder(task).kill()
    took = cluster.taken_over(task)
    print(f"taken over {took:.1f} s after kill -9, with a lease of {LEASE:.0f} s")
    done = cluster.wait(task.id)
    assert (done.status, done.attempt) == (COMPLETE, 2)
    assert cluster.effects(done) == undisturbed
    assert took <= LEASE + GRACE


def test_a_worker_that_was_stopped_for_longer_than_its_lease_changes_nothing(
    cluster: Cluster, undisturbed: list[Any], tmp_path: Path
) -> None:
    task = cluster.in_merge(cluster.upload(csv(tmp_path)))
    stopped = cluster.holder(task)
    stopped.send_signal(signal.SIGSTOP)
    took = cluster.taken_over(task)
    print(f"taken over {took:.1f} s after SIGSTOP, with a lease of {LEASE:.0f} s")
    done = cluster.wait(task.id)  # also if it was stopped within a transaction
    assert (done.status, done.attempt) == (COMPLETE, 2)
    stopped.send_signal(signal.SIGCONT)
    poll(lambda: cluster.fenced() > 0, within=60)
    assert cluster.effects(cluster.row(task.id)) == undisturbed
    for other in cluster.workers:
        if other is not stopped:
            other.terminate()
            other.wait(30)
    again = cluster.client.post("/recommender/rebuild").raise_for_status().json()["task_id"]
    assert cluster.wait(again).worker == task.worker  # it works on, at other things
    assert took <= LEASE + GRACE


def test_workers_go_on_when_every_session_was_ended(
    cluster: Cluster, undisturbed: list[Any], tmp_path: Path
) -> None:
    task = cluster.in_merge(cluster.upload(csv(tmp_path)))
    end = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(2):
        with cluster.database.read() as connection:
            connection.execute(end).all()
        cluster.goes_on(task.id)
    done = cluster.wait(task.id)
    assert done.status == COMPLETE
    assert cluster.effects(done) == undisturbed
    assert [worker.poll() for worker in cluster.workers] == [None] * 3
    again = cluster.client.post("/recommender/rebuild").raise_for_status().json()["task_id"]
    assert cluster.wait(again).status == COMPLETE

"""A worker that stands still: it is killed and replaced, and its import ends like any other."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.processes.imports import await_phase, queried, upload, write_csv
from tests.server import Server, poll

RATING = {"movie_id": 1, "user_id": 999_999_999, "score": 4}
ROWS = 40_000
SUMS = (
    "SELECT count(*), sum(user_id), sum(movie_id), sum(score), sum(rated_at) FROM ratings"
    " WHERE user_id < 999999999"
)
SMALL_STEPS = {"MATINEE_IMPORT_CHUNK": "400"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("files") / "ratings.csv", ROWS, 1)


@pytest.fixture(scope="module")
def expected(file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object]:
    """The result and the rows of the import when nothing disturbs it."""
    server = Server(tmp_path_factory.mktemp("undisturbed") / "data", **SMALL_STEPS).start()
    try:
        return effects(server, server.wait(upload(server, file)))
    finally:
        server.close()


def effects(server: Server, task: dict) -> tuple[object, object]:  # type: ignore[type-arg]
    assert task["status"] == "complete", task
    return {k: v for k, v in task["result"].items() if k != "seconds"}, queried(server.data_dir, SUMS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", **SMALL_STEPS)
    yield server
    server.close()
    poll(lambda: not server.orphans(), within=10)


def stop_in_its_turn(server: Server, task_id: str) -> psutil.Process:
    """The worker, stopped while it has the turn of the writers."""
    await_phase(server, task_id, "merge")
    worker = server.worker()
    turn = os.open(server.data_dir / "turn.lock", os.O_RDWR)

    def stopped() -> psutil.Process | None:
        worker.send_signal(signal.SIGSTOP)
        poll(lambda: worker.status() == psutil.STATUS_STOPPED, every=0.001)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return worker
        fcntl.flock(turn, fcntl.LOCK_UN)
        worker.send_signal(signal.SIGCONT)
        return None

    try:
        return poll(stopped, every=0.001)
    finally:
        os.close(turn)


def test_a_worker_that_stands_still_in_its_turn_is_replaced(
    server: Server, file: Path, expected: tuple[object, object]
) -> None:
    server._environment["MATINEE_WORKER_PATIENCE"] = "0.8"  # eight seconds: longer than a request waits
    server.start()
    task_id = upload(server, file)
    worker = stop_in_its_turn(server, task_id)
    began = time.monotonic()
    refused = server.client.post("/ratings", json=RATING)
    assert refused.status_code == 503, refused.text
    assert refused.headers["retry-after"]
    assert time.monotonic() - began < 12
    assert server.client.get("/recommendations/1").status_code == 200
    poll(lambda: not worker.is_running())
    assert effects(server, server.wait(task_id)) == expected
    assert server.client.post("/ratings", json=RATING).status_code == 201
    state = poll(lambda: server.client.get("/status").json()["worker"])
    assert state["pid"] != worker.pid
    poll(lambda: server.client.get("/health/ready").status_code == 200)
    log = server.data_dir.with_suffix(".log").read_text()
    assert f"worker {worker.pid} has not made progress for" in log
    assert f"on task {task_id} (import_ratings); killed, another is started" in log


def test_a_stopped_worker_of_a_killed_server_is_replaced_by_the_next(
    server: Server, file: Path, expected: tuple[object, object]
) -> None:
    server._environment["MATINEE_WORKER_PATIENCE"] = "0.15"
    server.start()
    task_id = upload(server, file)
    worker = stop_in_its_turn(server, task_id)
    server.kill()
    assert worker.status() == psutil.STATUS_STOPPED
    server.start()
    assert effects(server, server.wait(task_id)) == expected
    poll(lambda: worker not in server.orphans())  # where init is slow, a zombie for a while


def test_a_worker_that_goes_on_in_time_is_left_alone(server: Server, file: Path) -> None:
    server.start()
    task_id = upload(server, file)
    worker = stop_in_its_turn(server, task_id)
    worker.send_signal(signal.SIGCONT)
    task = server.wait(task_id)
    assert (task["status"], task["attempt"]) == ("complete", 1)
    assert server.client.get("/status").json()["worker"]["pid"] == worker.pid

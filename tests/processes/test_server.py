"""The real server over a real socket: the demonstration of the README, signals, restarts, orphans."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.repository import tasks
from app.serving.kinds import REBUILD_MODEL
from app.storage import open_database
from tests.processes.imports import upload, write_csv
from tests.server import Server, poll


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data").start()
    yield server
    server.close()
    poll(lambda: not server.orphans(), within=10)


def test_rate_rebuild_poll_recommend(server: Server) -> None:
    api = server.client
    assert api.post("/imports").status_code == 202
    assert api.post("/ratings", json={"movie_id": 1, "user_id": 7, "score": 5}).status_code == 201
    started = api.post("/recommender/rebuild")
    assert started.status_code == 202
    assert set(started.json()) == {"task_id", "status"}
    assert started.headers["retry-after"] == "1"
    task = server.wait(started.json()["task_id"])
    assert task["status"] == "complete"
    status = api.get(started.headers["location"]).json()
    assert status == {"task_id": task["task_id"], "status": "complete", "sample": []}
    answer = api.get("/recommendations/7?limit=3")
    assert answer.headers["x-source"] == "personal"
    assert answer.headers["x-model-version"] == "1"
    assert len(answer.json()) == 3
    assert 1 not in answer.json()


def test_a_worker_that_dies_is_replaced(server: Server) -> None:
    first = server.worker()
    first.kill()
    second = poll(lambda: next((w for w in server.workers() if w.pid != first.pid), None))
    task_id = server.client.post("/recommender/rebuild").json()["task_id"]
    assert server.wait(task_id)["status"] == "complete"
    assert second.is_running()


def test_the_worker_goes_with_a_killed_parent(server: Server) -> None:
    worker = server.worker()
    server.kill()
    poll(lambda: not worker.is_running(), within=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean_and_quick(server: Server, number: int) -> None:
    worker = server.worker()
    server.client.post("/imports")
    server.terminate(number)
    assert not worker.is_running()


def test_what_was_queued_before_a_kill_is_done_after_the_restart(server: Server) -> None:
    task_ids = [server.client.post("/imports").json()["task_id"] for _ in range(3)]
    server.kill()
    poll(lambda: not server.orphans(), within=5)
    server.start()
    assert {server.wait(task_id)["status"] for task_id in task_ids} == {"complete"}


def test_two_processes_serve_and_one_worker_runs(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--workers", "2").start()
    try:
        poll(lambda: len(server.workers()) == 2)
        task_ids = [server.client.post("/imports").json()["task_id"] for _ in range(6)]
        assert {server.wait(task_id)["status"] for task_id in task_ids} == {"complete"}
        assert {server.task(task_id)["attempt"] for task_id in task_ids} == {1}
    finally:
        server.close()
    poll(lambda: not server.orphans(), within=10)


def test_a_reload_loses_no_task(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "some.py").write_text("")
    server = Server(tmp_path / "data", "--reload", "--reload-dir", str(source)).start()
    try:
        first = server.worker()
        task_ids = [server.client.post("/imports").json()["task_id"] for _ in range(4)]
        (source / "some.py").write_text("changed = True")
        poll(lambda: not first.is_running())
        assert {server.wait(task_id)["status"] for task_id in task_ids} == {"complete"}
    finally:
        server.close()
    poll(lambda: not server.orphans(), within=10)


def test_a_second_signal_ends_a_worker_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = os.environ | {"MATINEE_DATA_DIR": str(data), "MATINEE_SWEEPS": "100000"}
    server = Server(data).start()
    server.wait(server.client.post("/imports").json()["task_id"])
    server.close()
    open_tasks = open_database(Settings(data_dir=data))
    with open_tasks.write() as connection:
        tasks.create(connection, REBUILD_MODEL, {}, now=time.time())
    open_tasks.close()
    worker = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=environment)
    query = "SELECT count(*) FROM tasks WHERE phase = 'train'"
    with sqlite3.connect(data / "matinee.db") as connection:
        poll(lambda: connection.execute(query).fetchone()[0])
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(2) in (0, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(disk)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_fails_an_import_and_the_next_start_goes_on(small_disk: Path, tmp_path: Path) -> None:
    server = Server(small_disk / "data").start()
    server.wait(server.client.post("/recommender/rebuild").raise_for_status().json()["task_id"])
    worker = server.suspended_worker()
    task_id = upload(server, write_csv(tmp_path / "large.csv", 300_000, 1))
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(bytes(1 << 16)):
            pass
    full = server.client.post("/imports", content=b"user_id,movie_id,score\n" + b"1,1,4\n" * 100_000)
    assert full.status_code == 507, full.text
    assert "Make room" in full.json()["detail"]
    assert server.client.get("/recommendations/1").status_code == 200
    log = server.data_dir.with_suffix(".log")
    before = len(log.read_text().splitlines())
    writes = [server.client.post("/movies", json={"title": "x" * 500}) for _ in range(100)]
    assert writes[-1].status_code == 507, writes[-1].text
    assert "Make room" in writes[-1].json()["detail"]
    assert {answer.status_code for answer in writes} <= {201, 507}
    lines = len(log.read_text().splitlines()) - before
    assert lines <= 210  # one of the access and one of the fault each
    worker.resume()
    poll(lambda: not worker.is_running() or server.task(task_id)["attempt"] > 0)
    server.kill()
    poll(lambda: not server.orphans(), within=10)
    (small_disk / "ballast").unlink()
    server.start()
    rating = {"movie_id": 1, "user_id": 1, "score": 4}
    assert server.client.post("/ratings", json=rating).status_code == 201
    task = server.wait(task_id)
    assert task["status"] == "complete", task
    assert task["result"]["read"] == 300_000
    server.close()

"""The real server over a real socket: the demonstration of the README, signals, restarts, orphans."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

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

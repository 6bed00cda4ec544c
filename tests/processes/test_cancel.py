"""Cancelling on a real server: at once, whatever the task is doing. `benchmarks.soak` measures it."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.imports import FILMS, await_phase, upload, write_csv
from tests.server import Server, poll

MOST = 8.0
"""Seconds, on a machine that other tests keep busy; an import here takes longer, and the training hours."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("cancel")
    # At the server's own priority: beside other programs a worker of a lower one may wait for a second.
    settings = {"MATINEE_WORKER_NICE": "0", "MATINEE_IMPORT_CHUNK": "400", "MATINEE_SWEEPS": "100000"}
    server = Server(folder / "data", **settings).start()
    yield server
    server.close()
    poll(lambda: not server.orphans(), within=10)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("files") / "large.csv", 500_000, 1)


def cancelled(server: Server, task_id: str, phase: str) -> str:
    """Cancel a task in that phase: the last message of the task."""
    await_phase(server, task_id, phase)
    began = time.monotonic()
    server.client.post(f"/tasks/{task_id}/cancel").raise_for_status()
    task = poll(lambda: (found := server.task(task_id))["finished_at"] and found)
    took = time.monotonic() - began
    print(f"{task['kind']} in {phase}: cancelled within {took:.2f} s")
    assert task["status"] == "cancelled", task
    assert took < MOST
    return str(task["progress"]["message"])


def rows(server: Server) -> int:
    with sqlite3.connect(server.data_dir / "matinee.db") as connection:
        return int(connection.execute("SELECT count(*) FROM ratings").fetchone()[0])


def test_an_import_while_it_is_parsed_leaves_nothing(server: Server, large: Path) -> None:
    before = rows(server)
    assert "before anything was written" in cancelled(server, upload(server, large), "parse")
    assert rows(server) == before


def test_an_import_while_it_is_merged_leaves_what_it_says_and_its_undo_is_cancelled(
    server: Server, large: Path
) -> None:
    before = rows(server)
    task_id = upload(server, large)
    poll(lambda: (server.task(task_id)["written"] or 0) > 40_000)  # so that its undo takes a while
    message = cancelled(server, task_id, "merge")
    assert f"after {rows(server) - before:,} rows" in message
    undo = server.client.post(f"/imports/{task_id}/undo").raise_for_status().json()["task_id"]
    cancelled(server, undo, "undo")
    server.client.post(f"/tasks/{undo}/retry").raise_for_status()
    assert server.wait(undo)["status"] == "complete"
    assert rows(server) == before


def test_a_rebuild_while_it_trains_leaves_the_model_as_it_was(server: Server, tmp_path: Path) -> None:
    server.wait(upload(server, write_csv(tmp_path / "some.csv", 20_000, 2)))
    version = server.client.get("/recommendations/1").headers.get("x-model-version")
    task_id = server.client.post("/recommender/rebuild").raise_for_status().json()["task_id"]
    cancelled(server, task_id, "train")
    assert server.client.get("/recommendations/1").headers.get("x-model-version") == version
    rating = {"movie_id": FILMS[0], "user_id": 1, "score": 5}
    assert server.client.post("/ratings", json=rating).status_code in (200, 201)

"""What the API process and the worker beside it leave to each other."""

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app import process
from app.config import Settings
from app.main import create_app
from app.process import worker_name
from app.storage import engine_of, places_of
from app.storage.heartbeat import Beat, place, record_of, start_of
from app.storage.last_request import LastRequest
from app.tasks import embedded
from app.tasks import worker as workers_process
from app.tasks.courtesy import Courtesy
from app.tasks.embedded import EmbeddedWorker
from app.tasks.watch import Line
from app.tasks.watchdog import Watchdog
from tests.server import poll

Spawn = Callable[[Settings], subprocess.Popen[bytes]]


@pytest.mark.parametrize(
    ("usable", "wanted", "threads"), [(range(8), 0, 7), ([3], 0, 1), (range(8), 3, 3), (range(8), 8, 8)]
)
def test_where_threads_cannot_be_bound_a_model_is_trained_with_one_less(
    monkeypatch: pytest.MonkeyPatch, usable: list[int], wanted: int, threads: int
) -> None:
    monkeypatch.setattr(process, "_ALL", set(usable))
    monkeypatch.setattr(embedded, "CAN_LEAVE", False)
    assert embedded._for_worker(Settings(train_threads=wanted)).train_threads == threads


@pytest.mark.skipif(not process.CAN_LEAVE, reason="this system does not bind threads")
def test_a_worker_takes_every_processor_while_nobody_waits(
    settings: Settings, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    every, less = os.sched_getaffinity(0), max(1, len(os.sched_getaffinity(0)) - 1)
    line, ended = Line(), threading.Event()
    at_work: Any = object()
    courtesy, beside = Courtesy(settings, [line]), threading.Thread(target=ended.wait)
    beside.start()

    def processors() -> set[int]:
        courtesy.look()
        return {len(os.sched_getaffinity(thread or 0)) for thread in (0, beside.native_id)}

    try:
        assert processors() == {less}, "a task may begin at any moment"
        line.attempt = at_work
        assert processors() == {len(every)}
        client.get("/movies/1")
        assert processors() == {less}
        monkeypatch.setattr("app.tasks.courtesy.QUIET", 0.0)
        client.get("/health")
        client.get("/tasks/none")
        assert processors() == {len(every)}
    finally:
        process.leave_one_processor(False)
        ended.set()


@pytest.mark.skipif(not process.CAN_LEAVE, reason="this system does not bind threads")
def test_a_fresh_worker_in_the_same_process_has_every_processor_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every, found = os.sched_getaffinity(0), list[set[int]]()
    monkeypatch.setattr(os, "execv", lambda *_: found.append(os.sched_getaffinity(0)))
    process.leave_one_processor(True)
    try:
        workers_process._re_exec()
    finally:
        process.leave_one_processor(False)
    assert found == [every]


def test_waiting_for_a_task_and_asking_for_the_health_are_no_requests_that_it_makes_room_for(
    settings: Settings, client: TestClient
) -> None:
    last = LastRequest(settings)
    for path in ("/health", "/metrics", "/tasks/none"):
        client.get(path)
    assert last.age() == float("inf")
    client.get("/movies/1")
    assert last.age() < 60
    assert LastRequest(settings).age() < 60


def test_where_no_file_can_be_made_nothing_is_known_of_requests(tmp_path: Path) -> None:
    last = LastRequest(Settings(data_dir=tmp_path / "none"))
    last.note()
    assert last.age() == float("inf")


def program(text: str) -> Spawn:
    """A worker that is another program."""

    def spawn(_settings: Settings) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-S", "-c", text], stdin=subprocess.PIPE, bufsize=0)

    return spawn


WAITS = program("import sys; sys.stdin.buffer.read()")


@pytest.fixture
def supervised(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Spawn], Any]]:
    """A supervisor of a worker that is started by a function; it looks often and waits briefly."""
    monkeypatch.setattr(embedded, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(embedded, "LONGEST_DELAY", 0.1)
    workers: list[EmbeddedWorker] = []

    def start(spawn: Spawn) -> EmbeddedWorker:
        monkeypatch.setattr(embedded, "_spawn", spawn)
        workers.append(EmbeddedWorker(settings))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), MemoryError(), RuntimeError("no thread")]
)
def test_a_worker_that_cannot_be_started_is_started_as_soon_as_it_can(
    supervised: Callable[[Spawn], EmbeddedWorker], error: Exception
) -> None:
    tried, started = list[int](), list[subprocess.Popen[bytes]]()

    def spawn(settings: Settings) -> subprocess.Popen[bytes]:
        tried.append(1)
        if len(tried) < 4:
            raise error
        started.append(WAITS(settings))
        return started[-1]

    worker = supervised(spawn)
    assert "cannot be started" in (worker.state().problem or "")
    worker.wake()
    poll(lambda: started)
    poll(lambda: worker.state().problem is None)


def test_a_worker_that_ends_again_and_again_is_told_of_and_started_again(
    supervised: Callable[[Spawn], EmbeddedWorker],
) -> None:
    worker = supervised(program("raise SystemExit(3)"))
    problem = poll(lambda: worker.state().problem)
    assert "times in a row, with 3" in problem


def test_an_error_of_the_supervisor_does_not_end_it(
    supervised: Callable[[Spawn], EmbeddedWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, looks = supervised(WAITS), list[int]()

    def look(_dog: object) -> None:
        looks.append(1)
        raise OSError("no descriptors")

    monkeypatch.setattr(Watchdog, "look", look)
    poll(lambda: len(looks) > 2)
    assert worker._thread is not None
    assert worker._thread.is_alive()


@pytest.mark.skipif(start_of(os.getpid()) is None, reason="this system has no /proc")
@pytest.mark.parametrize("lock", ["runner", "outside"])
def test_readiness_and_status_tell_of_a_worker_that_stands_still(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """In its main thread, or in the one beside."""
    monkeypatch.setattr(embedded, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(embedded, "_spawn", WAITS)
    settings = Settings(settings.data_dir, worker_patience=1e9)
    with TestClient(create_app(settings)) as client:
        assert client.get("/health/ready").status_code == 200
        beat = Beat(
            place(), os.getpid(), start_of(os.getpid()) or 0, silence=0.05, task="t1", kind="rebuild_model"
        )
        record_of(settings.data_dir / f"{lock}.lock").write_text(json.dumps(asdict(beat)))
        answers = (client.get("/health/ready") for _ in itertools.count())
        refused = poll(lambda: answer if (answer := next(answers)).status_code == 503 else None)
        assert "has not made progress" in refused.json()["detail"]
        assert refused.headers["retry-after"]
        if lock == "outside":
            return
        state = client.get("/status").json()["worker"]
        assert (state["pid"], state["task_id"], state["kind"]) == (os.getpid(), "t1", "rebuild_model")
        assert state["beat_age_seconds"] > 0
        assert client.get("/health/live").status_code == 200


@pytest.mark.skipif(start_of(os.getpid()) is None, reason="this system has no /proc")
def test_each_api_process_watches_its_own_worker_where_there_may_be_many(
    engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_spawn", WAITS)
    engine_settings.data_dir.mkdir(exist_ok=True)
    workers = [EmbeddedWorker(engine_settings) for _ in range(2)]
    try:
        for worker, task in zip(workers, ("t1", "t2"), strict=True):
            assert worker._process is not None
            pid = worker._process.pid
            beat = Beat(place(), pid, start_of(pid) or 0, task=task, kind="rebuild_model")
            lock = places_of(engine_settings, worker_name(pid))[0]
            record_of(lock).write_text(json.dumps(asdict(beat)))
        many = engine_of(engine_settings).workers.many
        seen = {"t1", "t2"} if many else {"t2"}
        poll(lambda: {worker.state().task for worker in workers} == seen)
    finally:
        for worker in workers:
            worker.close()

"""A worker's two threads: what calls other services runs beside imports and rebuilds."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.config import Settings
from app.errors import Invalid
from app.process import worker_name
from app.repository import tasks
from app.repository.import_order import IMPORT_RATINGS
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database, places_of
from app.storage.heartbeat import read_beat, record_of
from app.task import CANCELLED, COMPLETE, FAILED, QUEUED, RUNNING
from app.tasks import kinds
from app.tasks.attempt import Attempt
from app.tasks.kinds import OUTSIDE, Kind, names, register, unregister
from app.tasks.lanes import claim
from app.tasks.start import start
from app.tasks.worker import Worker
from tests.server import poll


@dataclass(frozen=True)
class Nothing:
    pass


def complete(attempt: Attempt) -> None:
    with attempt.transaction(result={}):
        pass


@contextmanager
def kind_that(run: Callable[[Attempt], None]) -> Iterator[str]:
    """A kind of the lane `outside`."""
    register(Kind("deliver", Nothing, run, OUTSIDE))
    try:
        yield "deliver"
    finally:
        unregister("deliver")


@pytest.fixture
def patient(engine_settings: Settings) -> Settings:
    """A stop of the worker ends no test."""
    return replace(engine_settings, shutdown_grace=3_600.0)


@contextmanager
def worker_of(settings: Settings, **arguments: Any) -> Iterator[Worker]:
    """A worker in a thread of this process, as `matinee worker` has it in its main one."""
    made: list[Worker] = []
    ready = threading.Event()

    def run() -> None:
        made.append(Worker(settings, **{"re_exec": lambda: None} | arguments))
        ready.set()
        made[0].run()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield made[0]
    finally:
        made[0].stop()
        thread.join(30)
    assert not thread.is_alive()


def status_of(database: Database, task_id: str) -> str:
    with database.read() as connection:
        found = tasks.get(connection, task_id)
    assert found is not None
    return found.status


def wait_for(database: Database, task_id: str, *statuses: str) -> None:
    poll(lambda: status_of(database, task_id) in statuses, within=60)


def test_what_is_outside_runs_while_an_import_does(
    database: Database, patient: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, delivered = threading.Event(), threading.Event()

    def slow_import(attempt: Attempt) -> None:
        begun.set()
        assert delivered.wait(30)
        complete(attempt)

    def deliver(attempt: Attempt) -> None:
        assert begun.wait(30)
        complete(attempt)
        delivered.set()

    monkeypatch.setattr("app.imports.import_ratings.run", slow_import)
    with kind_that(deliver) as kind:
        made = [start(database, name).id for name in (IMPORT_RATINGS, IMPORT_RATINGS, kind, kind)]
        with worker_of(patient):
            for task_id in made:
                wait_for(database, task_id, COMPLETE)
            beat = read_beat(record_of(places_of(patient, worker_name())[1]))
            assert beat is not None  # each thread has a record


def test_an_import_runs_while_what_is_outside_hangs_and_a_stop_ends_both(
    database: Database, patient: Settings
) -> None:
    never = threading.Event()

    def hang(attempt: Attempt) -> None:
        while True:
            attempt.report(done=1)
            never.wait(0.01)

    with kind_that(hang) as kind:
        hanging = start(database, kind).id
        with worker_of(patient):
            wait_for(database, hanging, RUNNING)
            imported, rebuilt = start(database, IMPORT_RATINGS).id, start(database, REBUILD_MODEL).id
            for task_id in (imported, rebuilt):
                wait_for(database, task_id, COMPLETE, FAILED)
            assert status_of(database, hanging) == RUNNING
            working, outside = (read_beat(record_of(lock)) for lock in places_of(patient, worker_name())[:2])
            assert working is not None
            assert outside is not None
            assert working.task != hanging == outside.task
            assert outside.aside != working.aside  # the thread beside is no progress of the main one
        assert status_of(database, hanging) == QUEUED


def test_a_cancel_without_a_safe_point_is_seen_in_both_threads(
    database: Database, engine_settings: Settings
) -> None:
    class ReExec(Exception):
        pass

    def re_exec() -> None:
        raise ReExec

    with kind_that(complete) as kind:
        task = start(database, kind)
        with database.write() as connection:
            claimed = claim(connection, now=1.0, lanes=(OUTSIDE,))
            tasks.request_cancel(connection, task.id, now=1.0)
        assert claimed is not None
        worker = Worker(engine_settings, re_exec=re_exec)
        worker.beside.attempt = Attempt(claimed, database, engine_settings)
        with pytest.raises(ReExec):
            worker._watch(database)
        worker._take_up(database, None)
        assert status_of(database, task.id) == CANCELLED


def test_a_worker_that_died_leaves_both_threads_tasks_to_the_next(
    database: Database, engine_settings: Settings
) -> None:
    with kind_that(complete) as kind:
        made = [start(database, name).id for name in (IMPORT_RATINGS, kind)]
        with database.write() as connection:
            assert [claim(connection, now=1.0) is not None for _ in made] == [True, True]
        Worker(engine_settings, re_exec=lambda: None)._take_up(database, None)
        assert [status_of(database, task_id) for task_id in made] == [QUEUED, QUEUED]


def test_what_ends_the_thread_beside_ends_the_worker(
    database: Database, patient: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the main thread, when the end of an attempt cannot be written down."""

    def fail(_attempt: Attempt) -> None:
        raise Invalid("a bad address")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    caught: list[BaseException] = []
    with kind_that(fail) as kind:
        start(database, kind)
        monkeypatch.setattr("app.tasks.execution._end", refuse)

        def run() -> None:
            try:
                Worker(patient, re_exec=lambda: None).run()
            except BaseException as error:
                caught.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
    assert [type(error) for error in caught] == [OSError]


def test_without_a_kind_that_is_outside_no_second_thread_runs(
    database: Database, patient: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names(OUTSIDE):
        monkeypatch.delitem(kinds._KINDS, name)
    task = start(database, REBUILD_MODEL)
    with worker_of(patient):
        wait_for(database, task.id, COMPLETE, FAILED)
        assert not places_of(patient, worker_name())[1].exists()

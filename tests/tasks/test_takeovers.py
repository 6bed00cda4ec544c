"""Another worker has a task soon after the lease of one that stands still, whatever that one holds."""

import threading
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import psycopg
import pytest

from app.config import Settings
from app.errors import Unavailable
from app.repository import imports
from app.repository.count_changes import Changes
from app.repository.import_order import IMPORT_RATINGS
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database
from app.storage.postgres_workers import application_name
from app.task import COMPLETE
from app.tasks import schedule
from app.tasks.kinds import RATINGS, Kind, register, unregister
from app.tasks.lanes import claim
from app.tasks.start import start
from app.tasks.worker import Worker
from tests.server import poll
from tests.tasks.test_leases import claimed, found, let_run_out


def test_what_a_stopped_worker_holds_keeps_nobody_from_its_task(
    database: Database, engine_settings: Settings
) -> None:
    """The main thread of the other one waits for a lock of it when its lease runs out."""
    if not database.workers.many:
        pytest.skip("one worker at a time waits for no other")
    task = start(database, REBUILD_MODEL)
    assert claimed(database, "h:1") is not None
    with database.write() as connection:
        imports.change_counts(connection, Changes(np.array([1]), np.zeros((1, 10), np.int32)))
    worker = Worker(replace(engine_settings, lease=2.0, shutdown_grace=3_600.0), re_exec=lambda: None)
    thread, name = threading.Thread(target=worker.run), application_name("h:1")
    address = engine_settings.database_url.replace("+psycopg", "")
    with psycopg.connect(address, application_name=name) as stopped:
        stopped.execute("DELETE FROM count_changes")
        thread.start()
        let_run_out(database, task)
        try:
            poll(lambda: found(database, task).status == COMPLETE)
        finally:
            with suppress(psycopg.Error):
                stopped.rollback()
            worker.stop()
            thread.join(30)
    assert found(database, task).attempt == 2


def test_a_worker_that_stands_still_in_a_claim_has_the_task_for_a_lease_at_most(database: Database) -> None:
    if not database.workers.many:
        pytest.skip("one worker at a time waits for no other")
    start(database, IMPORT_RATINGS)
    with pytest.raises(Unavailable), database.write() as stopped:
        assert claim(stopped, now=2e9, worker="h:1", lease=0.2) is not None
        task = claimed(database, "h:2")
    assert task is not None
    assert (task.worker, task.attempt) == ("h:2", 1)


@dataclass(frozen=True)
class Nothing:
    pass


def test_nobody_tidies_up_beside_a_task_that_does_so_itself(database: Database) -> None:
    tidied = list[int]()
    register(Kind("try", Nothing, lambda _: None, RATINGS, tidy=lambda _: tidied.append(1)))
    try:
        schedule.tidy(database)
        assert tidied == [1]
        start(database, IMPORT_RATINGS)
        schedule.tidy(database)
        assert claimed(database) is not None
        schedule.tidy(database)
        assert tidied == [1]
    finally:
        unregister("try")

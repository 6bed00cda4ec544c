"""Task rows on every engine: order, fencing, recovery, keys."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.engine import Connection

from app.repository import leases, tasks
from app.repository.import_order import IMPORT_RATINGS, UNDO_IMPORT
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database
from app.task import Task
from app.tasks.lanes import claim, next_due
from app.tasks.start import start


def queue(database: Database, kind: str = IMPORT_RATINGS) -> Task:
    return start(database, kind)


def claimed(database: Database) -> Task:
    with database.write() as connection:
        task = claim(connection, now=1.0)
    assert task is not None
    return task


def find(database: Database, task: Task) -> Task:
    with database.read() as connection:
        found = tasks.get(connection, task.id)
    assert found is not None
    return found


def test_tasks_are_claimed_in_order_each_once(database: Database) -> None:
    queued = [queue(database) for _ in range(4)]
    for task in queued:
        at_work = claimed(database)
        assert (at_work.id, at_work.status, at_work.attempt) == (task.id, "running", 1)
        with database.write() as connection:
            assert claim(connection, now=1.0) is None  # one of a lane at a time
            tasks.move(connection, at_work, "complete", now=1.0)
    with database.write() as connection:
        assert claim(connection, now=1.0) is None


def test_lanes_do_not_hold_one_another_up(database: Database) -> None:
    imports, rebuild = [queue(database) for _ in range(2)], queue(database, REBUILD_MODEL)
    assert claimed(database).id == imports[0].id
    assert claimed(database).id == rebuild.id
    with database.write() as connection:
        assert claim(connection, now=1.0) is None
        assert next_due(connection, now=1.0) is None


def test_a_task_of_a_kind_that_is_not_registered_waits(database: Database) -> None:
    with database.write() as connection:
        tasks.create(connection, "send_pigeons", {}, now=1.0)
        assert claim(connection, now=1.0) is None


def test_an_attempt_that_was_replaced_changes_nothing(database: Database) -> None:
    queue(database)
    zombie = claimed(database)
    with database.write() as connection:
        leases.take_up(connection, None, crashes=9, now=1.0)
    newer = claimed(database)
    assert newer.attempt == zombie.attempt + 1
    with pytest.raises(tasks.Fenced), database.write() as connection:
        tasks.advance(connection, zombie, {"done": 99})
    with database.write() as connection:
        assert tasks.advance(connection, newer, {"done": 1}).status == "running"
    assert find(database, newer).done == 1


def test_an_ended_task_is_fenced_too(database: Database) -> None:
    queue(database)
    task = claimed(database)
    with database.write() as connection:
        tasks.move(connection, task, "complete", now=1.0)
    with pytest.raises(tasks.Fenced), database.write() as connection:
        tasks.move(connection, task, "failed", now=1.0)


def test_a_status_is_changed_as_allowed_or_not_at_all(database: Database) -> None:
    queue(database)
    task = claimed(database)
    moves: tuple[Callable[[Connection], object], ...] = (
        lambda connection: tasks.advance(connection, task, {"status": "complete"}),
        lambda connection: tasks.move(connection, task, "running", now=1.0),
        lambda connection: tasks.move(connection, task, "complete", now=1.0, sources=("queued",)),
    )
    for move in moves:
        with pytest.raises(tasks.IllegalMove), database.write() as connection:
            move(connection)
    with database.write() as connection:
        tasks.request_cancel(connection, task.id, now=1.0)
    with pytest.raises(tasks.IllegalMove), database.write() as connection:
        tasks.move(connection, task, "queued", now=1.0)
    assert find(database, task).status == "cancelling"
    with database.write() as connection:
        assert tasks.leave(connection, task, "queued", {}, now=1.0).status == "cancelled"


def test_a_task_that_keeps_killing_its_worker_is_failed(database: Database) -> None:
    task = queue(database)
    for _ in range(3):
        claimed(database)
        with database.write() as connection:
            leases.take_up(connection, None, crashes=3, now=2.0)
    found = find(database, task)
    assert found.status == "failed"
    assert found.error is not None
    assert "3 times" in found.error["detail"]


def test_cancelling_a_queued_task_ends_it_and_a_running_one_at_its_safe_point(database: Database) -> None:
    first, second = queue(database), queue(database)
    running = claimed(database)
    with database.write() as connection:
        tasks.request_cancel(connection, second.id, now=3.0)
        tasks.request_cancel(connection, first.id, now=3.0)
    assert find(database, second).status == "cancelled"
    assert find(database, first).status == "cancelling"
    with database.write() as connection:
        assert tasks.advance(connection, running, {"done": 5}).status == "cancelling"
        leases.take_up(connection, None, crashes=3, now=4.0)
    assert find(database, first).status == "cancelled"


def test_rebuilds_join_the_one_that_waits(database: Database) -> None:
    first = queue(database, REBUILD_MODEL)
    assert queue(database, REBUILD_MODEL).id == first.id
    claimed(database)
    second = queue(database, REBUILD_MODEL)
    assert second.id != first.id
    assert queue(database, REBUILD_MODEL).id == second.id


def test_parallel_rebuilds_become_one(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: queue(database, REBUILD_MODEL).id, range(24)))
    assert len(ids) == 1


def test_tasks_are_listed_newest_first_by_kind_and_status(database: Database) -> None:
    made = [queue(database, kind) for kind in (IMPORT_RATINGS, REBUILD_MODEL, IMPORT_RATINGS)]
    claimed(database)
    with database.read() as connection:
        every = tasks.listing(connection, limit=10)
        assert [t.id for t in every] == [t.id for t in reversed(made)]
        assert [t.id for t in tasks.listing(connection, limit=1, before=every[0].seq)] == [made[1].id]
        assert [t.id for t in tasks.listing(connection, limit=9, kind=REBUILD_MODEL)] == [made[1].id]
        assert [t.id for t in tasks.listing(connection, limit=9, status="running")] == [made[0].id]


def test_imports_and_undos_do_not_overtake_one_that_waits_to_be_tried_again(database: Database) -> None:
    with database.write() as connection:
        first = tasks.create(connection, IMPORT_RATINGS, {}, now=1)
        claimed = claim(connection, now=1)
        assert claimed is not None
        tasks.leave(connection, claimed, "queued", {"not_before": 10.0}, now=1)
        for kind in (UNDO_IMPORT, IMPORT_RATINGS, REBUILD_MODEL):
            tasks.create(connection, kind, {}, now=1)
        assert [task.kind for task in iter(lambda: claim(connection, now=5), None)] == [REBUILD_MODEL]
        assert next_due(connection, now=5) is None
        for seq in (first.seq, first.seq + 1, first.seq + 2):
            claimed = claim(connection, now=10)
            assert claimed is not None
            assert claimed.seq == seq
            tasks.move(connection, claimed, "complete", now=10)

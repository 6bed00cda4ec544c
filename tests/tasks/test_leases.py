"""Leases: whose a task is among any number of workers, on every engine."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.config import Settings
from app.errors import ConfigurationError
from app.process import worker_name
from app.repository import leases, tasks
from app.repository.import_order import IMPORT_RATINGS
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database, open_database, places_of, postgres_workers
from app.storage.heartbeat import Heartbeat
from app.storage.schema import tasks as table
from app.task import AT_WORK, CANCELLED, CANCELLING, COMPLETE, QUEUED, RUNNING, Task
from app.tasks.attempt import Attempt
from app.tasks.execution import execute
from app.tasks.kinds import OUTSIDE, RATINGS, Kind, names, register, unregister
from app.tasks.lanes import claim, left_behind, recover
from app.tasks.start import start
from app.tasks.watch import Line, Watch
from app.tasks.worker import Worker, run_next
from tests.server import poll


def claimed(database: Database, worker: str = "h:1", lease: float = leases.LEASE) -> Task | None:
    with database.write() as connection:
        return claim(connection, now=time.time(), worker=worker, lease=lease)


def found(database: Database, task: Task) -> Task:
    with database.read() as connection:
        row = tasks.get(connection, task.id)
    assert row is not None
    return row


def let_run_out(database: Database, task: Task, by: float = -1.0) -> None:
    """By the clock of the database, which no test turns."""
    with database.write() as connection:
        end = database.workers.now() + by
        connection.execute(table.update().where(table.c.seq == task.seq).values(leased_until=end))


def left(database: Database, task: Task) -> float:
    """Seconds until its lease runs out."""
    query = sa.select(table.c.leased_until - database.workers.now()).where(table.c.seq == task.seq)
    with database.read() as connection:
        return float(connection.execute(query).scalar_one())


def taken_up(database: Database, settings: Settings, by: str = "h:2") -> None:
    with database.read() as connection:
        tasks_left = left_behind(connection, (RATINGS,))
    recover(database, settings, tasks_left, by)


def test_a_task_is_taken_up_when_its_lease_has_run_out_and_no_sooner(
    database: Database, engine_settings: Settings
) -> None:
    task = start(database, IMPORT_RATINGS)
    first = claimed(database)
    assert first is not None
    taken_up(database, engine_settings)
    assert (found(database, task).status, claimed(database)) == (RUNNING, None)
    let_run_out(database, task)
    taken_up(database, engine_settings)
    second = claimed(database, "h:2")
    assert second is not None
    assert (second.id, second.attempt, second.worker, second.crashes) == (task.id, 2, "h:2", 1)
    with pytest.raises(tasks.Fenced), database.write() as connection:
        tasks.advance(connection, first, {"done": 9})
    assert found(database, task).done == 0


def test_one_that_is_to_be_cancelled_is_cancelled_then(database: Database, engine_settings: Settings) -> None:
    task = start(database, IMPORT_RATINGS)
    claimed(database)
    with database.write() as connection:
        tasks.request_cancel(connection, task.id, now=1.0)
    let_run_out(database, task)
    taken_up(database, engine_settings)
    assert found(database, task).status == CANCELLED


def test_every_write_of_an_attempt_extends_its_lease(database: Database, engine_settings: Settings) -> None:
    task = start(database, IMPORT_RATINGS)
    first = claimed(database, lease=2.0)
    assert first is not None
    assert 0.0 < left(database, task) <= 2.0
    attempt = Attempt(first, database, replace(engine_settings, lease=100.0))
    with attempt.transaction(done=1):
        pass
    assert 50.0 < left(database, task) <= 100.0


def test_a_lease_of_a_clock_that_was_ahead_has_run_out(database: Database, engine_settings: Settings) -> None:
    task = start(database, IMPORT_RATINGS)
    claimed(database)
    let_run_out(database, task, by=leases.LONGEST + 60)
    taken_up(database, engine_settings)
    assert found(database, task).status == QUEUED


def test_no_lane_has_two_whoever_claims(database: Database) -> None:
    one, other = start(database, IMPORT_RATINGS), start(database, IMPORT_RATINGS)
    claimed(database)
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        tasks.move(connection, other, RUNNING, {"attempt": 1, "lane": RATINGS}, now=1.0)
    assert [found(database, task).status for task in (one, other)] == [RUNNING, QUEUED]


class Stuck:
    """A watchdog that judges as it is told."""

    stuck = False

    def look(self) -> None: ...


def watched(
    database: Database, settings: Settings, task: Task, re_exec: Callable[[], None]
) -> tuple[Watch, Line]:
    line = Line(RATINGS)
    line.attempt = Attempt(task, database, settings)
    line.dog = Stuck()  # type: ignore[assignment]
    return Watch(database, settings, (line,), re_exec), line


def test_a_phase_without_writes_keeps_its_lease_while_it_makes_progress(
    database: Database, engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not database.workers.many:
        pytest.skip("one worker at a time has no lease to keep")
    task = start(database, IMPORT_RATINGS)
    first = claimed(database, lease=2.0)
    assert first is not None
    now = [100.0]
    monkeypatch.setattr("app.tasks.watch.time.monotonic", lambda: now[0])
    watch, line = watched(database, replace(engine_settings, lease=60.0), first, lambda: None)
    watch.look()
    assert left(database, task) <= 2.0  # nothing is due yet
    now[0] += 20.0
    line.dog.stuck = True  # type: ignore[union-attr, misc]
    watch.look()
    assert left(database, task) <= 2.0
    line.dog.stuck = False  # type: ignore[union-attr, misc]
    watch.look()
    assert left(database, task) > 30.0


def test_an_attempt_that_lost_its_lease_ends_at_its_next_safe_point(
    database: Database, engine_settings: Settings
) -> None:
    task = start(database, IMPORT_RATINGS)
    first, ended = claimed(database), list[str]()
    assert first is not None
    watch, line = watched(database, engine_settings, first, lambda: ended.append("re-exec"))
    let_run_out(database, task)
    taken_up(database, engine_settings)
    second = claimed(database, "h:2")
    assert second is not None
    watch.look()

    def work(attempt: Attempt) -> None:
        attempt.report(done=1)
        ended.append("went on")

    assert line.attempt is not None
    execute(line.attempt, work)
    assert ended == []
    watch.look()
    line.dog.stuck = True  # type: ignore[union-attr, misc]
    watch.look()
    assert ended == ["re-exec"]  # it stands still: nothing else frees this worker
    row = found(database, task)
    assert (row.status, row.attempt, row.done) == (RUNNING, 2, 0)


@dataclass(frozen=True)
class Nothing:
    pass


@pytest.mark.parametrize(
    ("workers", "count"), [(3, 10), *(pytest.param(n, 100, marks=pytest.mark.proof) for n in (2, 3))]
)
def test_workers_share_the_queue_and_run_each_task_once(
    database: Database, engine_settings: Settings, workers: int, count: int
) -> None:
    """`count` tasks in each of two lanes; SQLite has one worker at a time, whose claims are the same."""
    ran, together, most = list[str](), Counter[str](), Counter[str]()
    counting, many = threading.Lock(), database.workers.many
    run = {lane: _counted(lane, counting, ran, together, most) for lane in (RATINGS, OUTSIDE)}
    for lane, do in run.items():
        register(Kind(f"try_{lane}", Nothing, do, lane))
    try:
        made = [start(database, f"try_{lane}").id for _ in range(count) for lane in run]
        threads = [
            threading.Thread(target=_drain, args=(engine_settings, lane, f"h:{n}"))
            for n in range(workers if many else 1)
            for lane in run
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    finally:
        for lane in run:
            unregister(f"try_{lane}")
    with database.read() as connection:
        rows = [tasks.get(connection, task_id) for task_id in made]
    assert {(row.status, row.attempt) for row in rows if row} == {(COMPLETE, 1)}
    assert Counter(ran) == Counter(made)
    assert set(most.values()) == {1}
    order = {task_id: place for place, task_id in enumerate(ran)}
    imports = [order[row.id] for row in rows if row and row.lane == RATINGS]
    assert imports == sorted(imports)  # of that lane none overtakes another


def _counted(
    lane: str, counting: threading.Lock, ran: list[str], together: Counter[str], most: Counter[str]
) -> Callable[[Attempt], None]:
    def run(attempt: Attempt) -> None:
        with counting:
            ran.append(attempt.task.id)
            together[lane] += 1
            most[lane] = max(most[lane], together[lane])
        with counting:  # before the transaction after which the next one may begin
            together[lane] -= 1
        with attempt.transaction(result={}):
            pass

    return run


def _drain(settings: Settings, lane: str, worker: str) -> None:
    """Run tasks until none is queued or at work any more."""
    database = open_database(settings, durable=False, heartbeat=Heartbeat())
    line = Line(lane)
    query = sa.select(sa.func.count()).where(
        table.c.kind.in_(names(lane)), table.c.status.in_((QUEUED, *AT_WORK))
    )
    while True:
        if not run_next(database, settings, line, name=worker):
            line.awake.wait(0.02)
            with database.read() as connection:
                if not connection.execute(query).scalar_one():
                    break
    database.close()


def test_a_worker_of_this_machine_that_is_gone_is_not_waited_for(
    database: Database, engine_settings: Settings
) -> None:
    """Its file is there and nobody holds it; the task of a worker elsewhere stays with that."""
    start(database, IMPORT_RATINGS)
    start(database, REBUILD_MODEL)
    gone, lives = claimed(database, "h:1"), claimed(database, "h:2")
    assert gone is not None
    assert lives is not None
    if database.workers.many:
        places_of(engine_settings, "h:1")[0].touch()
    worker = Worker(engine_settings, re_exec=lambda: None)
    with database.workers.at_work(database, "runner", worker.name):
        worker._take_up(database, database.workers.left(database))
        if database.workers.many:
            assert not places_of(engine_settings, "h:1")[0].exists()
            assert places_of(engine_settings, worker_name())[0].exists()
            assert database.workers.left(database) == set()
    assert found(database, gone).status == QUEUED
    assert found(database, lives).status == (RUNNING if database.workers.many else QUEUED)


def test_a_task_that_is_queued_wakes_a_worker_elsewhere(
    database: Database, engine_settings: Settings
) -> None:
    if not database.workers.many:
        pytest.skip("the one worker is woken through its standard input")
    heard, closing = threading.Event(), threading.Event()
    listening = threading.Thread(target=database.workers.listen, args=(database, heard.set, closing))
    other = open_database(engine_settings)
    try:
        listening.start()
        assert heard.wait(20)  # once it listens: what came before is looked at
        heard.clear()
        start(other, REBUILD_MODEL)
        assert heard.wait(20)
        _end_every_session(other)
        heard.clear()
        poll(lambda: heard.is_set() or None)  # it has noticed, and listens again
        heard.clear()
        start(other, IMPORT_RATINGS)
        assert heard.wait(20)
    finally:
        closing.set()
        listening.join(20)
        other.close()
    assert not listening.is_alive()


def _end_every_session(database: Database) -> None:
    text = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with database.read() as connection:
        connection.execute(sa.text(text)).all()


def test_a_worker_outlives_the_end_of_every_session(database: Database, engine_settings: Settings) -> None:
    if not database.workers.many:
        pytest.skip("there are no sessions to end")
    worker = Worker(replace(engine_settings, shutdown_grace=3_600.0), re_exec=lambda: None)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        for _ in range(2):
            task = start(database, REBUILD_MODEL)
            poll(lambda task=task: found(database, task).ended, within=60)  # type: ignore[misc]
            _end_every_session(database)
    finally:
        worker.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert worker._error is None


def test_a_session_that_hears_nothing_is_noticed(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its session is there and tells of no error, but what it sends to itself does not come."""
    if not database.workers.many:
        pytest.skip("nothing is listened to")
    for name, value in {"SLICE": 0.01, "PROBE_AFTER": 2, "RECONNECT": 0.01}.items():
        monkeypatch.setattr(postgres_workers, name, value)
    closing, heard = threading.Event(), list[int]()

    def note() -> None:
        heard.append(1)
        monkeypatch.setattr(postgres_workers, "CHANNEL", f"another_{len(heard)}")
        if len(heard) > 2:  # once it has begun, and looked again since it hears nothing
            closing.set()

    database.workers.listen(database, note, closing)
    assert "hears nothing" in caplog.text


def test_a_lease_that_a_pause_would_end_is_refused_with_the_reason() -> None:
    with pytest.raises(
        ConfigurationError, match=r"MATINEE_LEASE is '1'; set it to 2 seconds or more: .*pauses"
    ):
        Settings.from_environment({"MATINEE_LEASE": "1"})


class Leases(RuleBasedStateMachine):
    """Three workers that claim, work, pause for too long, and end tasks of one lane in any order."""

    database: Database
    settings: Settings

    def __init__(self) -> None:
        super().__init__()
        with self.database.write() as connection:
            connection.execute(table.delete())
        self.held: dict[str, list[Task]] = {}
        self.done: Counter[str] = Counter()  # id -> committed writes
        self.runs_out: set[int] = set()

    @rule()
    def queue(self) -> None:
        start(self.database, IMPORT_RATINGS)

    @rule(worker=st.sampled_from(("a", "b", "c")))
    def look_for_work(self, worker: str) -> None:
        before = self.at_work()
        taken_up(self.database, self.settings, worker)
        for task in before:
            is_taken = found(self.database, task).attempt != task.attempt or task.seq in self.runs_out
            assert (found(self.database, task).status not in AT_WORK) == is_taken
        new = claimed(self.database, worker, lease=600.0)
        if new is not None:
            assert not [one for one in before if one.seq not in self.runs_out]
            self.held.setdefault(worker, []).append(new)
        self.runs_out = set()

    def at_work(self) -> list[Task]:
        with self.database.read() as connection:
            return [task for task in tasks.listing(connection, limit=1000) if task.status in AT_WORK]

    @precondition(lambda self: self.at_work())
    @rule()
    def a_lease_runs_out(self) -> None:
        (task,) = self.at_work()
        let_run_out(self.database, task)
        self.runs_out = {task.seq}

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), what=st.sampled_from(("write", "extend", "complete", "cancel")))
    def go_on(self, data: Any, what: str) -> None:
        """By whoever believes to have it, also a long time after it was taken up by another."""
        task = data.draw(st.sampled_from([one for held in self.held.values() for one in held]))
        row = found(self.database, task)
        has_it = row.attempt == task.attempt and row.status in AT_WORK
        try:
            self.do(what, task)
        except tasks.Fenced:
            assert not has_it
        else:
            assert has_it or what in ("extend", "cancel")
            if has_it and what in ("write", "extend"):
                self.runs_out -= {task.seq}

    def do(self, what: str, task: Task) -> None:
        with self.database.write() as connection:
            if what == "write":
                tasks.advance(connection, task, {"done": self.done[task.id] + 1}, lease=600.0)
            elif what == "extend":
                leases.extend(connection, task, 600.0)
            elif what == "complete":
                tasks.move(connection, task, COMPLETE, now=1.0)
            else:
                tasks.request_cancel(connection, task.id, now=1.0)
        self.done[task.id] += what == "write"

    @invariant()
    def the_lane_has_one_and_every_write_counts_once(self) -> None:
        with self.database.read() as connection:
            rows = tasks.listing(connection, limit=1000)
        assert sum(row.status in (RUNNING, CANCELLING) for row in rows) <= 1
        assert all(row.done == self.done[row.id] for row in rows)


def test_leases_in_any_order(database: Database, engine_settings: Settings) -> None:
    class Bound(Leases):
        pass

    Bound.database, Bound.settings = database, engine_settings
    run_state_machine_as_test(
        Bound, settings=hypothesis_settings(max_examples=6, stateful_step_count=20, deadline=None)
    )

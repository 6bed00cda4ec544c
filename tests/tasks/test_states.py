"""Tasks as a state machine: in whatever order, no illegal move, nothing lost, nothing done twice."""

import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from app.config import Settings
from app.errors import Conflict, Invalid, Unavailable
from app.repository import leases, task_events, tasks
from app.repository.import_order import IMPORT_RATINGS
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database, open_database
from app.task import ACTIVE, AT_WORK, CANCELLED, CANCELLING, ENDED, FAILED, MOVES, QUEUED, RUNNING
from app.tasks.attempt import Attempt, Cancelled, Stopped
from app.tasks.execution import execute
from app.tasks.kinds import kind_of
from app.tasks.lanes import claim
from app.tasks.start import start

CRASHES = 3


class Tasks(RuleBasedStateMachine):
    """Attempts stay around after they were replaced: as zombies that still try to write."""

    made = Bundle("made")
    attempts = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="matinee-states-"))
        self.settings = Settings(data_dir=self.directory, embedded_worker=False)
        self.database = open_database(self.settings, durable=False)
        self.now = 0.0
        self.stopping = False
        self.steps: dict[str, int] = {}  # task id -> committed steps, kept here
        self.seen: dict[str, str] = {}

    def clock(self) -> float:
        self.now += 0.01
        return self.now

    @rule(target=made, kind=st.sampled_from([IMPORT_RATINGS, REBUILD_MODEL]))
    def create(self, kind: str) -> str:
        return start(self.database, kind).id

    @rule(target=attempts)
    def claim(self) -> Any:
        with self.database.write() as connection:
            task = claim(connection, now=self.clock(), worker="w")
        if task is None:
            return multiple()
        return Attempt(task, self.database, self.settings, stopping=lambda: self.stopping, clock=self.clock)

    @rule(attempt=attempts, complete=st.booleans())
    def step(self, attempt: Attempt, complete: bool) -> None:
        """One transaction of work, by whoever believes to run the task."""
        current = self.find(attempt.task.id)
        alive = current.attempt == attempt.task.attempt and current.status in ("running", "cancelling")
        done = self.steps.get(attempt.task.id, 0) + 1
        try:
            with attempt.transaction(done=done, checkpoint={"done": done}, result={} if complete else None):
                pass
        except tasks.Fenced:
            assert not alive
            return
        except Cancelled:
            self.end(attempt, Cancelled())
        except Stopped:
            self.end(attempt, Stopped())
        assert alive
        self.steps[attempt.task.id] = done

    def end(self, attempt: Attempt, error: Exception) -> tuple[str, str]:
        """The attempt raises that: the status before, "gone" if it was not this attempt's, and after."""

        def run(_attempt: Attempt) -> None:
            raise error

        before = self.find(attempt.task.id)
        alive = before.attempt == attempt.task.attempt and before.status in AT_WORK
        execute(attempt, run)
        after = self.find(attempt.task.id).status
        assert alive or after == before.status
        return before.status if alive else "gone", after

    @rule(attempt=consumes(attempts))
    def fails(self, attempt: Attempt) -> None:
        before, after = self.end(attempt, Invalid("a bad file"))
        assert before == "gone" or after == FAILED

    @rule(attempt=consumes(attempts))
    def fails_transiently(self, attempt: Attempt) -> None:
        failures = self.find(attempt.task.id).failures
        before, after = self.end(attempt, Unavailable("away"))
        again = QUEUED if failures + 1 < self.settings.task_attempts else FAILED
        assert before == "gone" or after == (CANCELLED if before == CANCELLING else again)

    @rule(attempt=consumes(attempts))
    def is_stopped(self, attempt: Attempt) -> None:
        before, after = self.end(attempt, Stopped())
        assert before == "gone" or after == (CANCELLED if before == CANCELLING else QUEUED)

    @rule()
    def its_worker_dies(self) -> None:
        before = {task.id: task for task in self.all() if task.status in AT_WORK}
        with self.database.write() as connection:
            leases.take_up(connection, None, crashes=CRASHES, now=self.clock())
        for task_id, task in before.items():
            again = QUEUED if task.crashes + 1 < CRASHES else FAILED
            assert self.find(task_id).status == (CANCELLED if task.status == CANCELLING else again)

    @rule()
    def time_passes(self) -> None:
        self.now += 100

    @rule(stopping=st.booleans())
    def stop_or_go_on(self, stopping: bool) -> None:
        self.stopping = stopping

    @rule(task_id=made)
    def cancel(self, task_id: str) -> None:
        with self.database.write() as connection:
            tasks.request_cancel(connection, task_id, now=self.clock())

    @rule(task_id=made)
    def retry(self, task_id: str) -> None:
        before = self.find(task_id)
        try:
            with self.database.write() as connection:
                tasks.retry(connection, before, now=self.clock())
            assert before.status in ("failed", "cancelled")
        except Conflict:
            assert before.status not in ("failed", "cancelled")

    def find(self, task_id: str) -> Any:
        with self.database.read() as connection:
            return tasks.get(connection, task_id)

    def all(self) -> list[Any]:
        with self.database.read() as connection:
            return tasks.listing(connection, limit=1000)

    @invariant()
    def every_move_is_a_legal_one(self) -> None:
        with self.database.read() as connection:
            for task in self.all():
                told = [
                    e.data["status"] for e in task_events.events(connection, task.seq) if e.type == "status"
                ]
                assert told[0] == "queued"
                assert told[-1] == task.status
                assert set(itertools.pairwise(told)) <= MOVES

    @invariant()
    def the_checkpoint_is_the_last_committed_step(self) -> None:
        for task in self.all():
            assert task.done == self.steps.get(task.id, 0)
            assert task.checkpoint is None or task.checkpoint == {"done": task.done}

    @invariant()
    def nothing_is_lost_and_one_of_a_lane_runs(self) -> None:
        found = self.all()
        assert len({task.id for task in found}) == len(found)
        assert all(task.status in (*ACTIVE, *ENDED) for task in found)
        lanes = [kind_of(task.kind).lane for task in found if task.status in AT_WORK]
        assert len(set(lanes)) == len(lanes)
        with self.database.read() as connection:
            kinds = connection.execute(sa.text("SELECT count(*) FROM tasks")).scalar_one()
        assert kinds == len(found)

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.directory, ignore_errors=True)


TestTasks = Tasks.TestCase
TestTasks.settings = hypothesis_settings(
    max_examples=12 if os.environ.get("CI") else 8, stateful_step_count=30, deadline=None
)


HAPPENS = ("fails transiently", "is stopped", "its worker dies")
LEADS_TO = {
    RUNNING: dict.fromkeys(HAPPENS, QUEUED),
    CANCELLING: dict.fromkeys(HAPPENS, CANCELLED),
}
"""Where a task goes from there. In every other status nothing happens to it: no attempt of it runs."""


def _in_status(database: Database, settings: Settings, status: str) -> Attempt:
    """An attempt that believes to run a task of that status."""
    started = start(database, REBUILD_MODEL)
    with database.write() as connection:
        claimed = claim(connection, now=1.0, worker="w")
        assert claimed is not None
        if status in (CANCELLING, CANCELLED):
            tasks.request_cancel(connection, started.id, now=1.0)
        if status not in (RUNNING, CANCELLING):
            tasks.move(connection, claimed, status, now=1.0)
    return Attempt(claimed, database, settings)


@pytest.mark.parametrize("what", HAPPENS)
@pytest.mark.parametrize("status", (*ACTIVE, *ENDED))
def test_what_cuts_an_attempt_short_in_every_status(
    engine_settings: Settings, database: Database, status: str, what: str
) -> None:
    attempt = _in_status(database, engine_settings, status)

    def cut_short(_attempt: Attempt) -> None:
        raise Unavailable("away") if what == HAPPENS[0] else Stopped()

    if what == HAPPENS[2]:
        with database.write() as connection:
            leases.take_up(connection, None, crashes=CRASHES, now=1.0)
    else:
        execute(attempt, cut_short)
    with database.read() as connection:
        found = tasks.get(connection, attempt.task.id)
    assert found is not None
    assert found.status == LEADS_TO.get(status, {}).get(what, status)

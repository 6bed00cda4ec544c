"""A clock that is wrong for a while deletes nothing and holds nothing up."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.config import Settings
from app.rating import Rating
from app.repository import keys, ratings, tasks
from app.serving.kinds import REBUILD_MODEL
from app.storage import Database, open_database
from app.task import Task
from app.tasks.lanes import claim, next_due
from app.tasks.schedule import CLEAN_EVERY, LOOK_EVERY, Schedule
from app.tasks.start import start

DAY = 24 * 3600
NOW = 1_700_000_000.0


@dataclass
class Clock:
    """The time of day, and how long the machine has been running."""

    time: float = NOW
    running: float = 0.0

    def passes(self, seconds: float) -> None:
        self.time += seconds
        self.running += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    yield database
    database.close()


def schedule(store: Database, settings: Settings, clock: Clock) -> Schedule:
    return Schedule(store, settings, clock=lambda: clock.time, monotonic=lambda: clock.running)


def ended_task(store: Database, settings: Settings, at: float) -> Task:
    """A task that ended then, with a key, and a file of the same time that nothing needs."""
    with store.write() as connection:
        task = tasks.create(connection, REBUILD_MODEL, {}, now=at)
        key = keys.Key("POST /x", task.id, "f")
        keys.claim(connection, key, now=at)
        keys.keep(connection, key, keys.Answer(202, {}, "{}", task.id))
        tasks.request_cancel(connection, task.id, now=at)
    settings.uploads_dir.mkdir(parents=True, exist_ok=True)
    path = settings.uploads_dir / task.id
    path.touch()
    os.utime(path, (at, at))
    return task


def kept(store: Database, settings: Settings) -> list[str]:
    with store.read() as connection:
        found = [task.id for task in tasks.listing(connection, limit=99)]
    assert {path.name for path in settings.uploads_dir.iterdir()} <= set(found)
    return found


def look(looked: Schedule, clock: Clock) -> None:
    looked.look()
    clock.passes(CLEAN_EVERY)
    looked.look()


@pytest.mark.parametrize("jump", ["before the start", "after it"])
def test_a_clock_far_ahead_deletes_nothing(
    settings: Settings, store: Database, clock: Clock, jump: str
) -> None:
    old = ended_task(store, settings, NOW - 29 * DAY)
    new = ended_task(store, settings, NOW)
    if jump == "before the start":
        clock.time += 60 * DAY
    looked = schedule(store, settings, clock)
    if jump == "after it":
        clock.time += 60 * DAY
    ended_task(store, settings, clock.time)  # as the clock says
    look(looked, clock)
    assert {old.id, new.id} < set(kept(store, settings))
    assert (settings.uploads_dir / new.id).exists()
    with store.read() as connection:
        assert keys.find(connection, keys.Key("POST /x", old.id, "f")) is not None


def test_time_that_passes_makes_tasks_old(settings: Settings, store: Database, clock: Clock) -> None:
    old, new = (ended_task(store, settings, NOW - days * DAY) for days in (29, 0))
    looked = schedule(store, settings, clock)
    clock.passes(2 * DAY)
    looked.look()
    assert kept(store, settings) == [new.id]
    assert list(settings.uploads_dir.iterdir()) == []
    clock.passes(29 * DAY)
    looked.look()
    assert kept(store, settings) == []
    with store.read() as connection:
        assert keys.find(connection, keys.Key("POST /x", old.id, "f")) is None


def test_a_clock_that_was_ahead_holds_nothing_up(settings: Settings, store: Database, clock: Clock) -> None:
    settings = Settings(settings.data_dir, embedded_worker=False, rebuild_after=1)
    clock.time += 60 * DAY
    looked = schedule(store, settings, clock)
    looked.look()
    ended_task(store, settings, clock.time)
    clock.time -= 60 * DAY
    clock.passes(LOOK_EVERY)
    with store.write() as connection:
        ratings.put(connection, Rating(1, 1, 4.0, 100))
    looked.look()
    with store.read() as connection:
        assert tasks.counts(connection)["queued"] == 1


def test_a_retry_does_not_wait_for_a_clock_that_was_ahead(settings: Settings, store: Database) -> None:
    task = start(store, REBUILD_MODEL)
    with store.write() as connection:
        claimed = claim(connection, now=NOW + 60 * DAY)
        assert claimed is not None
        values = {"not_before": NOW + 60 * DAY + 30}
        tasks.leave(connection, claimed, "queued", values, now=NOW + 60 * DAY)
    with store.write() as connection:
        assert next_due(connection, now=NOW + 60 * DAY) is None
        assert next_due(connection, now=NOW) is not None
        again = claim(connection, now=NOW)
    assert again is not None
    assert again.id == task.id


def test_a_database_without_tasks_is_cleaned_by_the_clock(
    settings: Settings, store: Database, clock: Clock
) -> None:
    settings.uploads_dir.mkdir(parents=True)
    path = settings.uploads_dir / "left.part"
    path.touch()
    os.utime(path, (NOW - 2 * DAY, NOW - 2 * DAY))
    schedule(store, settings, clock).look()
    assert not path.exists()

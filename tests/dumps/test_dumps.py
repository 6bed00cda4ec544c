"""Dumps: everybody's recommendations in one file, whatever happens while it is written."""

import csv
import io
import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.dumps.dump_recommendations import run
from app.dumps.kinds import DUMP_RECOMMENDATIONS, DumpParams, folder_of
from app.main import create_app
from app.repository import models, tasks
from app.service import Service
from app.task import Task
from app.tasks.attempt import Attempt
from app.tasks.execution import execute
from app.tasks.lanes import claim
from app.tasks.retention import clean
from app.tasks.start import start
from app.tasks.worker import run_next

RATINGS = "user_id,movie_id,score\n" + "".join(
    f"{user},{movie},{(user * movie) % 10 / 2 + 0.5}\n"
    for user in range(10, 30)
    for movie in (1, 2, 6, 32, 34, 39, 47, 50)
    if (user + movie) % 3
)
TITLE = "=cmd|' /C calc'!A1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """The data of a service with twenty raters, a person who rated nothing, and a model."""
    folder = tmp_path_factory.mktemp("dumps") / "data"
    folder.mkdir(mode=0o700)
    shutil.copyfile(migrated, folder / "matinee.db")
    app = create_app(Settings(data_dir=folder, embedded_worker=False))
    client = TestClient(app)
    client.put("/movies/50", json={"title": TITLE, "year": 1995}).raise_for_status()
    client.post("/users", json={"name": "Ada"}).raise_for_status()
    client.post("/imports", content=RATINGS, headers={"Content-Type": "text/csv"}).raise_for_status()
    client.post("/recommender/rebuild").raise_for_status()
    run_all(client)
    app.state.service.close()
    return folder


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    shutil.copytree(folder, tmp_path / "service")
    app = create_app(Settings(data_dir=tmp_path / "service", embedded_worker=False))
    yield TestClient(app, raise_server_exceptions=False)
    app.state.service.close()


def service_of(client: TestClient) -> Service:
    return client.app.state.service  # type: ignore[attr-defined, no-any-return]


def run_all(client: TestClient) -> None:
    service = service_of(client)
    while run_next(service.database, service.settings):
        pass


def begin(client: TestClient, format: str = "jsonl", limit: int = 3) -> str:
    return start(service_of(client).database, DUMP_RECOMMENDATIONS, DumpParams(format, limit)).id


def stored(client: TestClient, task_id: str) -> Task:
    with service_of(client).database.read() as connection:
        task = tasks.get(connection, task_id)
    assert task is not None
    return task


def attempt(client: TestClient, users: int = 3, *, stop: bool = False, **options: Any) -> Attempt:
    """Run the next attempt, so many users in a batch; `stop`: as of a worker that ends after one batch."""
    service = service_of(client)
    with service.database.write() as connection:
        task = claim(connection, now=time.time())
    assert task is not None
    safe_points = itertools.count()
    one = Attempt(task, service.database, service.settings, stopping=lambda: stop and next(safe_points) > 0)
    execute(one, partial(run, users_at_once=users, **options))
    return one


def lists(client: TestClient, limit: int) -> dict[int, dict[str, Any]]:
    """What the API recommends to each, by user."""
    users = [user["id"] for user in client.get("/users?all=true&limit=1000").json()]
    answers = {user: client.get(f"/users/{user}/recommendations?limit={limit}").json() for user in users}
    assert {answer["source"] for answer in answers.values()} == {"personal", "popular"}
    return dict(sorted(answers.items()))


def test_the_file_holds_everybodys_list_as_json_lines(client: TestClient) -> None:
    answer = client.post("/recommendations/dump?limit=3")
    task_id = answer.json()["task_id"]
    assert (answer.status_code, answer.headers["location"]) == (202, f"/tasks/{task_id}")
    assert client.post("/recommendations/dump?limit=3").json()["task_id"] == task_id
    waiting = client.get(f"/tasks/{task_id}/result")
    assert (waiting.status_code, waiting.json()["type"]) == (409, "urn:matinee:conflict")
    run_all(client)
    file = client.get(f"/tasks/{task_id}/result")
    assert file.headers["content-type"] == "application/x-ndjson"
    assert f'filename="recommendations-{task_id}.jsonl"' in file.headers["content-disposition"]
    wanted = [
        {
            "user_id": user,
            "source": answer["source"],
            "recommendations": [
                {"movie_id": row["movie"]["id"], "preference": round(row["preference"], 6)}
                for row in answer["recommendations"]
            ],
        }
        for user, answer in lists(client, 3).items()
    ]
    assert [json.loads(line) for line in file.text.splitlines()] == wanted
    task = client.get(f"/tasks/{task_id}").json()
    assert task["result"] == {
        "format": "jsonl",
        "limit": 3,
        "model_version": 1,
        "users": len(wanted),
        "recommendations": sum(len(row["recommendations"]) for row in wanted),
        "size": len(file.content),
    }
    assert (task["progress"]["done"], task["progress"]["total"]) == (len(wanted), len(wanted))


def test_the_csv_has_titles_that_no_spreadsheet_takes_for_formulas(client: TestClient) -> None:
    task_id = begin(client, "csv", 8)
    run_all(client)
    file = client.get(f"/tasks/{task_id}/result")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(file.text)))
    wanted = [
        (str(user), str(place), str(row["movie"]["id"]), answer["source"])
        for user, answer in lists(client, 8).items()
        for place, row in enumerate(answer["recommendations"], 1)
    ]
    assert [(r["user_id"], r["place"], r["movie_id"], r["source"]) for r in rows] == wanted
    assert {r["title"] for r in rows if r["movie_id"] == "50"} == {f"'{TITLE}"}


def dumps_of(client: TestClient, task_id: str) -> Path:
    return service_of(client).settings.data_dir / folder_of(task_id)


def torn(path: Path) -> None:
    """As after a kill within a write."""
    with path.open("ab") as file:
        file.write(b'{"user_id":12,"sour')


def nothing(_path: Path) -> None:
    """As after a stop."""


@pytest.mark.parametrize("left", [torn, nothing])
def test_an_attempt_that_goes_on_doubles_and_loses_no_line(
    client: TestClient, left: Callable[[Path], None]
) -> None:
    task_id = begin(client)
    run_all(client)
    wanted = client.get(f"/tasks/{task_id}/result").content
    task_id, attempts = begin(client), 0
    folder = dumps_of(client, task_id)
    while not stored(client, task_id).ended:
        attempt(client, 4, stop=attempts < 4)
        attempts += 1
        task = stored(client, task_id)
        assert task.done == (4 * attempts if attempts < 5 else 21)
        if not task.ended:
            left(folder / (task.checkpoint or {})["segments"][-1][0])
    assert attempts == 5
    assert client.get(f"/tasks/{task_id}/result").content == wanted
    assert [file.name for file in dumps_of(client, task_id).iterdir()] == ["5.jsonl"]


def test_all_of_it_comes_from_the_model_that_was_served_when_it_began(client: TestClient) -> None:
    task_id = begin(client)
    attempt(client, 4, stop=True)
    attempt(client, 4, stop=True)
    add_version(client)
    assert client.get("/recommendations/10").headers["x-model-version"] == "2"
    attempt(client, 4)
    assert result_of(client, task_id)["model_version"] == 1


def test_it_starts_over_with_the_active_model_if_its_own_is_gone(client: TestClient) -> None:
    task_id = begin(client)
    attempt(client, 4, stop=True)
    attempt(client, 4, stop=True)
    assert stored(client, task_id).done == 8
    add_version(client)
    with service_of(client).database.write() as connection:
        models.forget(connection, keep=1)
    attempt(client, 4)
    result = result_of(client, task_id)
    assert (result["model_version"], result["users"]) == (2, 21)
    assert len(client.get(f"/tasks/{task_id}/result").text.splitlines()) == 21


def add_version(client: TestClient) -> None:
    """Serve another version of the first model."""
    first = client.get("/models/1").json()
    names = ("task_id", "checksum", "reason", "settings", "evaluation", "ratings", "users", "movies")
    row = {name: first[name] for name in names}
    with service_of(client).database.write() as connection:
        version = models.add(connection, **row, promoted=True, created_at=1.0, rating_changes=0)
        models.activate(connection, version)


def result_of(client: TestClient, task_id: str) -> dict[str, Any]:
    task = stored(client, task_id)
    assert task.status == "complete", task.error
    assert task.result is not None
    return task.result


def test_a_cancelled_dump_leaves_no_file_and_starts_over(client: TestClient) -> None:
    task_id = begin(client)
    attempt(client, 4, stop=True)
    client.post(f"/tasks/{task_id}/cancel").raise_for_status()
    client.post(f"/tasks/{task_id}/retry").raise_for_status()
    service = service_of(client)

    def cancel(_seconds: float) -> None:
        client.post(f"/tasks/{task_id}/cancel").raise_for_status()

    with service.database.write() as connection:  # something else is at work: it rests, and is cancelled
        tasks.create(connection, "rebuild_model", {}, now=time.time())
        assert claim(connection, now=time.time(), lanes=("model",)) is not None
    attempt(client, 4, rest=cancel)
    assert stored(client, task_id).status == "cancelled"
    assert not dumps_of(client, task_id).exists()
    answer = client.get(f"/tasks/{task_id}/result")
    assert (answer.status_code, "retry" in answer.json()["detail"]) == (409, True)


def test_a_task_without_a_file_says_so_and_one_that_lost_it_too(client: TestClient) -> None:
    rebuild = client.get("/tasks?kind=rebuild_model").json()[0]["task_id"]
    answers = [client.get(f"/tasks/{task_id}/result") for task_id in (rebuild, "none")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert "makes no file" in answers[0].json()["detail"]
    task_id = begin(client)
    run_all(client)
    service = service_of(client)
    clean(service.database, service.settings, now=time.time())
    assert client.get(f"/tasks/{task_id}/result").status_code == 200
    with service.database.write() as connection:
        tasks.remove(connection, [stored(client, task_id)])
    clean(service.database, service.settings, now=time.time())
    assert not dumps_of(client, task_id).exists()
    task_id = begin(client)
    run_all(client)
    dumps_of(client, task_id).rename(service.settings.data_dir / "elsewhere")
    answer = client.get(f"/tasks/{task_id}/result")
    assert (answer.status_code, "POST /recommendations/dump" in answer.json()["detail"]) == (404, True)


def test_without_a_model_and_without_anybody_there_is_an_empty_file(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    task_id = begin(client)
    run_all(client)
    assert client.get(f"/tasks/{task_id}/result").content == b""
    assert result_of(client, task_id)["model_version"] == 0
    service_of(client).close()


def test_nobody_is_forgotten_while_a_dump_may_hold_them(client: TestClient) -> None:
    task_id = begin(client)
    refused = client.delete("/users/12")
    assert (refused.status_code, task_id in refused.json()["detail"]) == (409, True)
    run_all(client)
    kept = begin(client)
    run_all(client)
    client.post("/users", json={"name": "Ben"}).raise_for_status()
    ben = client.get("/users?name=Ben").json()[0]["id"]
    assert client.delete(f"/users/{ben}").json()["deleted"]["dumps"] == 0
    assert client.delete("/users/12").json()["deleted"]["dumps"] == 2
    assert client.get(f"/tasks/{kept}/result").status_code == 404


@pytest.mark.parametrize("query", ["format=xml", "limit=0", "limit=101", "limit=x"])
def test_a_bad_dump_is_refused(query: str, settings: Settings) -> None:
    client = TestClient(create_app(settings))
    assert client.post(f"/recommendations/dump?{query}").status_code == 422
    service_of(client).close()

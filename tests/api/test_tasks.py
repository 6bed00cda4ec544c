"""Tasks over HTTP: lists, cancel, retry, long polls, and the timeline as server-sent events."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.repository import leases, tasks
from app.service import Service
from app.user import Role
from tests.house import House


def read_events(client: TestClient, task_id: str, after: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    """(id, event, data) of a task that has ended."""
    headers = {"Last-Event-ID": after} if after else {}
    answer = client.get(f"/tasks/{task_id}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in answer.text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "event" in fields:
            events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return events


def test_the_timeline_tells_the_whole_story(client: TestClient, run_tasks: Callable[[], None]) -> None:
    task_id = client.post("/imports").json()["task_id"]
    run_tasks()
    events = read_events(client, task_id)
    statuses = [data["status"] for _, event, data in events if event == "status"]
    assert statuses == ["queued", "running", "complete"]
    phases = [data["phase"] for _, event, data in events if event == "progress"]
    assert phases[0] == "parse"
    assert "merge" in phases
    assert events[-1][1:] == ("end", {"status": "complete"})
    assert [int(number) for number, *_ in events[:-1]] == sorted(int(number) for number, *_ in events[:-1])


def test_a_reconnect_after_each_event_sees_the_same_log(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    task_id = client.post("/imports").json()["task_id"]
    run_tasks()
    whole = read_events(client, task_id)
    for place, (number, *_) in enumerate(whole[:-1]):
        assert read_events(client, task_id, number) == whole[place + 1 :]
    assert read_events(client, task_id, "nonsense") == whole


def test_a_task_names_its_file_and_says_how_much_is_written(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    headers = {"Content-Type": "text/csv", "X-Filename": "mine.csv"}
    content = "user_id,movie_id,score\n7,1,4\n8,1,nine\n"
    client.post("/imports", content=content, headers=headers)
    client.post("/imports?dry_run=true", content=content, headers=headers)
    client.post("/imports")
    client.post("/recommender/rebuild")
    waiting = client.get("/tasks").json()
    assert [task["written"] for task in waiting] == [None, 0, 0, 0]
    run_tasks()
    tasks = client.get("/tasks").json()
    assert [task["params"].get("filename") for task in tasks] == [None, "sample", "mine.csv", "mine.csv"]
    assert [task["written"] for task in tasks][2:] == [0, 1]


def test_events_of_an_unknown_task_are_a_404(client: TestClient) -> None:
    answer = client.get("/tasks/nope/events")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_queued_task_is_cancelled_and_tried_again(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    task_id = client.post("/imports").json()["task_id"]
    assert client.post(f"/tasks/{task_id}/retry").status_code == 409
    assert client.post(f"/tasks/{task_id}/cancel").json()["status"] == "cancelled"
    run_tasks()
    assert client.get(f"/tasks/{task_id}").json()["status"] == "cancelled"
    again = client.post(f"/tasks/{task_id}/retry")
    assert (again.status_code, again.json()) == (202, {"task_id": task_id, "status": "queued"})
    run_tasks()
    assert client.get(f"/tasks/{task_id}").json()["status"] == "complete"
    assert client.post(f"/tasks/{task_id}/cancel").json()["status"] == "complete"
    assert client.post(f"/tasks/{task_id}/retry").status_code == 409
    assert client.post("/tasks/nope/cancel").status_code == 404


def test_a_long_poll_answers_at_the_end_or_in_time(client: TestClient, run_tasks: Callable[[], None]) -> None:
    task_id = client.post("/imports").json()["task_id"]
    started = time.monotonic()
    waited = client.get(f"/tasks/{task_id}", headers={"Prefer": "wait=1"})
    assert waited.json()["status"] == "queued"
    assert waited.headers["preference-applied"] == "wait=1"
    assert time.monotonic() - started >= 1
    run_tasks()
    ended = client.get(f"/tasks/{task_id}", headers={"Prefer": "wait=60"})
    assert ended.json()["status"] == "complete"
    assert "retry-after" not in ended.headers


def test_tasks_are_listed_by_kind_and_status_in_pages(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    made = [client.post("/imports").json()["task_id"] for _ in range(3)]
    run_tasks()
    rebuild = client.post("/recommender/rebuild").json()["task_id"]
    first = client.get("/tasks?limit=2")
    assert [t["task_id"] for t in first.json()] == [rebuild, made[2]]
    rest = client.get(first.links["next"]["url"])
    assert [t["task_id"] for t in rest.json()] == [made[1], made[0]]
    assert [t["task_id"] for t in client.get("/tasks?status=queued").json()] == [rebuild]
    assert [t["task_id"] for t in client.get("/tasks?kind=import_ratings&limit=1").json()] == [made[2]]
    assert client.get("/tasks?status=sleeping").status_code == 422


def test_a_full_queue_takes_no_more(settings: Settings) -> None:
    app = create_app(Settings(settings.data_dir, embedded_worker=False, max_queue=2))
    client = TestClient(app)
    assert [client.post("/imports").status_code for _ in range(3)] == [202, 202, 503]
    refused = client.post("/imports")
    assert refused.headers["retry-after"] == "10"
    assert len(client.get("/tasks").json()) == 2
    app.state.service.close()


def test_a_transient_failure_is_tried_again_and_then_told(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, run_tasks: Callable[[], None]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.serving.rebuild_model.run", full)
    task_id = client.post("/recommender/rebuild").json()["task_id"]
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    for attempt in range(1, service.settings.task_attempts):
        run_tasks()
        task = client.get(f"/tasks/{task_id}").json()
        assert (task["status"], task["attempt"]) == ("queued", attempt)
        with service.database.write() as connection:  # its pause is over
            connection.exec_driver_sql("UPDATE tasks SET not_before = 0")
    run_tasks()
    task = client.get(f"/tasks/{task_id}").json()
    assert task["status"] == "failed"
    assert len(task["error"]["errors"]) == service.settings.task_attempts
    monkeypatch.undo()
    client.post(f"/tasks/{task_id}/retry")
    run_tasks()
    assert client.get(f"/tasks/{task_id}").json()["status"] == "complete"


def test_an_unexpected_failure_is_told_at_once(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, run_tasks: Callable[[], None]
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("colour")

    monkeypatch.setattr("app.serving.rebuild_model.run", broken)
    task_id = client.post("/recommender/rebuild").json()["task_id"]
    run_tasks()
    task = client.get(f"/tasks/{task_id}").json()
    assert task["status"] == "failed"
    assert "KeyError" in task["error"]["detail"]


def test_a_zombie_cannot_complete_what_was_taken_from_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, run_tasks: Callable[[], None]
) -> None:
    from app.serving import rebuild_model

    service: Service = client.app.state.service  # type: ignore[attr-defined]
    real = rebuild_model.run
    calls = []

    def stall(attempt: Any) -> None:
        calls.append(attempt.task.attempt)
        if len(calls) == 1:  # while it stalls, another worker takes over and finishes
            with service.database.write() as connection:
                leases.take_up(connection, None, crashes=9, now=time.time())
            run_tasks()
        real(attempt)

    monkeypatch.setattr("app.serving.rebuild_model.run", stall)
    client.post("/imports")
    client.post("/recommender/rebuild")
    run_tasks()
    assert calls == [1, 2]
    assert [model["version"] for model in client.get("/models").json()] == [1]


def test_a_task_tells_what_it_was_asked_to_do_and_by_whom(house: House) -> None:
    editor, other = house.person("Ann", Role.EDITOR), house.person("Ben", Role.VIEWER)
    client, headers = house.client(), house.token(editor, "a")
    file = {"Content-Type": "text/csv", "X-Filename": "mine.csv"}
    content = b"user_id,movie_id,score\n7,1,4\n"
    client.post("/imports?dry_run=true", content=content, headers=headers | file).raise_for_status()
    client.post(
        "/imports", content=content, headers=headers | {"Content-Type": "text/csv"}
    ).raise_for_status()
    client.post("/imports", headers=headers).raise_for_status()
    client.post("/recommender/rebuild", headers=headers).raise_for_status()
    with house.service.database.write() as connection:
        tasks.create(connection, "merge_users", {"user_id": 7, "from_id": 8}, now=1.0)
        tasks.create(connection, "undo_import", {"undo_of": "x"}, now=1.0, owner=other)
    undo, merge, rebuild, sample, nameless, mine = client.get("/tasks", headers=headers).json()
    digest = hashlib.sha256(content).hexdigest()
    unsaid = dict.fromkeys(("columns", "scale", "charset", "dates", "create"), "")
    sent = unsaid | {"size": len(content), "sha256": digest, "user_id": None}
    assert mine["params"] == {"filename": "mine.csv", "dry_run": True} | sent
    assert nameless["params"] == {"filename": None, "dry_run": False} | sent
    whole = {"filename": "sample", "size": None, "sha256": None, "user_id": None, "dry_run": False}
    assert sample["params"] == unsaid | whole
    assert (rebuild["params"], merge["params"]) == ({"scheduled": False}, {"user_id": 7, "from": 8})
    assert undo["params"] == {"undo_of": "x"}
    assert [task["started_by"] for task in (mine, merge, undo)] == [editor, None, other]
    [own] = client.get("/tasks", headers=house.token(other, "b")).json()
    assert own == undo


def test_the_parameters_of_each_kind_are_described(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()["components"]["schemas"]["TaskAnswer"]
    found = {one["title"]: one for one in schema["properties"]["params"]["anyOf"]}
    imported = found["Parameters of import_ratings"]["properties"]
    assert {"filename", "size", "sha256", "user_id", "dry_run"} <= set(imported)
    assert "file" not in imported
    assert set(found["Parameters of merge_users"]["properties"]) == {"user_id", "from"}

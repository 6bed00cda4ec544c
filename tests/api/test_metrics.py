"""GET /metrics: what Prometheus reads, who may, and that its labels do not grow. GET /health/ready."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from app.api.metrics import Exposition
from app.errors import StorageFull
from app.repository import task_totals, tasks
from app.service import Service
from app.storage import Database
from app.storage.database import Database as AnyDatabase
from app.task import COMPLETE, FAILED, RUNNING
from app.tasks.start import start
from app.user import Role
from tests.house import House

COUNT = "http_server_request_duration_seconds_count"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(client: TestClient, **options: Any) -> Samples:
    """Every sample by its name and labels."""
    client.app.state.exposition = Exposition()  # type: ignore[attr-defined]
    answer = client.get("/metrics", **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert all(family.documentation for family in families)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    """The sum of the samples with these labels."""
    return sum(v for (n, given), v in found.items() if n == name and labels.items() <= dict(given).items())


def test_every_request_is_counted_by_route_and_status(client: TestClient) -> None:
    client.get("/movies/1")
    client.get("/movies/2")
    client.get("/movies/999999")
    client.get("/health")
    client.get("/recommendations/5")
    found = samples(client)
    route = {"http_route": "/movies/{movie_id}", "http_request_method": "GET"}
    assert value(found, COUNT, **route, http_response_status_code="200") == 2
    assert value(found, COUNT, **route, http_response_status_code="404") == 1
    assert value(found, COUNT, http_route="/health") == 1
    assert value(found, "matinee_refusals_total", reason="not-found") == 1
    assert value(found, "matinee_recommendations_total", source="popular") == 1
    assert value(found, "matinee_fold_in_seconds_count", form="plain") == 1
    assert value(found, "http_server_active_requests") == 1  # the scrape itself
    assert client.get("/status").json()["requests"]["total"] == 4


def test_labels_do_not_grow_with_what_callers_write(client: TestClient) -> None:
    client.get("/movies/1")
    client.request("GET", "/nowhere")
    client.request('BREW"\\', "/movies")
    before = {key for key in samples(client) if key[0] == COUNT}
    for number in range(60):
        client.get(f"/nowhere{number}/a")
        client.get(f"/movies/{number + 1}", headers={"X-Request-ID": f"r{number}"})
        client.request(f"BREW{number}", f'/movies"{number}')
    after = {key for key in samples(client) if key[0] == COUNT}
    assert len(after - before) <= 3  # a route or status that was not met before


def test_tasks_are_counted_in_the_transaction_of_each_change(database: Database) -> None:
    now = 1_000.0
    start(database, "rebuild_model")
    with database.write() as connection:
        (task,) = tasks.listing(connection, limit=1)
        task = tasks.move(
            connection, task, RUNNING, {"attempt": 1, "started_at": now}, now=task.created_at + 3
        )
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        tasks.move(connection, task, COMPLETE, {"finished_at": now}, now=now)
        raise ZeroDivisionError
    with database.write() as connection:
        tasks.move(connection, task, FAILED, {"finished_at": now + 7}, now=now + 7)
    with database.read() as connection:
        found = {row[1:3]: row[3] for row in task_totals.listing(connection)}
    assert found == {
        ("attempts", ""): 1,
        ("latency", ":sum"): pytest.approx(3),
        ("latency", ":4"): 1,
        ("duration", "failed:sum"): 7,
        ("duration", "failed:5"): 1,
    }


def test_what_became_of_rows_and_tasks_is_there_also_when_the_tasks_are_gone(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    client.post("/imports")
    client.post("/recommender/rebuild")
    run_tasks()
    before = samples(client)
    assert value(before, "matinee_tasks", status="complete") == 2
    assert value(before, "matinee_import_rows_total", result="new") > 1_000
    assert value(before, "matinee_task_attempts_total", kind="import_ratings") == 1
    assert value(before, "matinee_task_duration_seconds_count", outcome="complete") == 2
    assert value(before, "matinee_model_version") == 1
    assert value(before, "matinee_model_age_seconds") > 0
    assert value(before, "matinee_ratings") > 1_000
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    with service.database.write() as connection:
        tasks.forget(connection, before=1e12)
    after = samples(client)
    assert value(after, "matinee_tasks") == 0
    names = (
        "matinee_import_rows_total",
        "matinee_task_attempts_total",
        "matinee_task_duration_seconds_count",
    )
    assert all(value(after, name) == value(before, name) for name in names)


def test_with_accounts_it_needs_a_key_or_this_machine(house: House) -> None:
    ann = house.person("Ann", Role.ADMIN)
    outside = house.client()
    assert outside.get("/metrics").status_code == 401
    assert outside.get("/metrics", headers=house.key(ann, Role.VIEWER)).status_code == 200
    here = TestClient(house.app)
    assert here.get("/metrics").status_code == 200
    assert here.get("/movies").status_code == 401
    passed_on = here.get("/metrics", headers={"X-Forwarded-For": "192.0.2.9"})
    assert passed_on.status_code == 401


def test_a_scrape_does_not_wait_for_a_place(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a place was taken")

    client.get("/metrics")  # the caller is known from here on
    monkeypatch.setattr("app.api.edge.places.Line.enter", refuse)
    assert client.get("/metrics").status_code == 200


def test_readiness_says_what_is_in_order_and_how_long_each_look_took(client: TestClient) -> None:
    answer = client.get("/health/ready")
    assert answer.json()["status"] == "ok"
    names = [one["name"] for one in answer.json()["checks"]]
    assert names == ["draining", "database", "integrity", "migrations", "model", "worker", "disk"]
    assert all(one["ok"] and one["ms"] >= 0 and one["reason"] is None for one in answer.json()["checks"])


@pytest.mark.parametrize("fault", ["draining", "database", "integrity", "migrations", "model", "disk"])
def test_readiness_names_each_fault(client: TestClient, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    database = service.database
    if fault == "draining":
        client.app.state.shutdown.closing.set()  # type: ignore[attr-defined]
    elif fault == "database":
        monkeypatch.setattr("app.api.health.tasks.counts", raising(StorageFull("full")))
    elif fault == "integrity":
        database.damage_met = "damaged"
    elif fault == "migrations":
        monkeypatch.setattr(AnyDatabase, "revision", lambda _: "0001")
    elif fault == "model":
        monkeypatch.setattr(service.model, "fault", lambda _: "unreadable")
    else:
        monkeypatch.setattr("app.api.health.LEAST_FREE", 1e18)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    (error,) = answer.json()["errors"]
    assert error["detail"].startswith(f"{fault}, ")
    assert client.get("/health/live").status_code == 200


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail

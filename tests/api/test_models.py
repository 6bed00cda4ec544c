"""Model versions over HTTP: quality, the gate, going back."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from app.sample import FIRST_USER


def rebuild(client: TestClient, run_tasks: Callable[[], None]) -> int:
    task_id = client.post("/recommender/rebuild").json()["task_id"]
    run_tasks()
    return int(client.get(f"/tasks/{task_id}").json()["result"]["version"])


@pytest.fixture
def two(client: TestClient, run_tasks: Callable[[], None]) -> TestClient:
    """Two versions; the second knows of ratings that the first does not."""
    client.post("/imports")
    assert rebuild(client, run_tasks) == 1
    for user in range(1, 60):
        client.post("/ratings", json={"movie_id": 1 if user % 2 else 912, "user_id": user, "score": 5})
    assert rebuild(client, run_tasks) == 2
    return client


def test_versions_tell_what_they_are_made_of_and_which_is_served(two: TestClient) -> None:
    second, first = two.get("/models").json()
    assert (first["version"], first["active"], second["version"], second["active"]) == (1, False, 2, True)
    assert second["ratings"] == first["ratings"] + 59
    assert two.get("/models/2").json() == second
    assert second["reason"]
    page = two.get("/models?limit=1")
    assert two.get(page.links["next"]["url"]).json() == [first]
    assert two.get("/models/3").status_code == 404


def test_activation_answers_from_the_old_model_at_once(two: TestClient) -> None:
    url = f"/recommendations/{FIRST_USER}"
    assert two.get(url).headers["x-model-version"] == "2"
    assert two.post("/models/1/activate").json()["active"] is True
    assert two.get(url).headers["x-model-version"] == "1"
    assert [model["active"] for model in two.get("/models").json()] == [False, True]
    assert two.post("/models/9/activate").status_code == 404


def test_a_damaged_version_is_not_activated(two: TestClient) -> None:
    service = two.app.state.service  # type: ignore[attr-defined]
    checksum = two.get("/models/1").json()["checksum"]
    path = service.settings.models_dir / f"{checksum}.npz"
    path.write_bytes(b"PK" + path.read_bytes()[2:-7])
    refused = two.post("/models/1/activate")
    assert refused.status_code == 409
    assert "rebuild" in refused.json()["detail"]
    path.unlink()
    assert two.post("/models/1/activate").status_code == 409
    assert two.get("/recommendations/1").headers["x-model-version"] == "2"


def test_status_and_histogram(two: TestClient) -> None:
    status = two.get("/status").json()
    assert status["model_version"] == 2
    assert status["ratings"] == two.get("/models/2").json()["ratings"]
    assert status["requests"]["by_status"]["2xx"] > 60
    assert sum(status["requests"]["per_minute"]) == status["requests"]["total"]
    assert 0 < status["latency_ms"]["p50"] <= status["latency_ms"]["p99"]
    histogram = two.get("/movies/1/histogram").json()
    assert list(histogram) == [f"{step / 2:.1f}" for step in range(1, 11)]
    assert sum(histogram.values()) == two.get("/movies/1").json()["rating_count"]
    assert two.get("/movies/424242/histogram").status_code == 404

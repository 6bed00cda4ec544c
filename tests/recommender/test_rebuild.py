"""What a rebuild says of the item weights."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.service import Service
from app.serving.model_store import ModelStore


def rebuilt(client: TestClient, run_tasks: Callable[[], None]) -> dict[str, Any]:
    client.post("/recommender/rebuild")
    run_tasks()
    version: dict[str, Any] = client.get("/models").json()[0]
    return version


def test_a_version_tells_how_its_item_weights_were_made(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    client.post("/imports")
    version = rebuilt(client, run_tasks)
    assert version["settings"]["factors"] == 64
    made = version["settings"]["items"]
    assert made["share"] == 0.5
    assert 50 < made["movies"] <= version["movies"]
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    model = ModelStore.of(service.settings).read(version["checksum"], version=1, created_at=0)
    assert model.items is not None
    assert len(model.items.movie_ids) == made["movies"]


def test_a_version_without_item_weights_says_why(client: TestClient, run_tasks: Callable[[], None]) -> None:
    client.post("/imports")
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    service.close()
    client.app = create_app(replace(service.settings, item_memory=0))
    version = rebuilt(client, run_tasks)
    reason = "the memory allowed suffices for 0 movies"
    assert version["settings"]["items"].startswith(reason)
    assert f"Without item weights: {reason}" in version["reason"]
    assert version["promoted"]
    client.app.state.service.close()


@pytest.mark.parametrize(
    "ratings", [[(1, 1, 5)], [(1, 1, 1), (2, 1, 1), (3, 2, 1)], [(u, 1, 5) for u in range(9)]]
)
def test_ratings_that_say_little_are_served_by_the_factors_alone(
    client: TestClient, run_tasks: Callable[[], None], ratings: list[tuple[int, int, float]]
) -> None:
    films = [client.post("/movies", json={"title": name}).json()["id"] for name in ("One", "Two", "Three")]
    for user, movie, score in ratings:
        rating = {"movie_id": films[movie], "user_id": user, "score": score}
        assert client.post("/ratings", json=rating).is_success
    version = rebuilt(client, run_tasks)
    assert "Without item weights: " in version["reason"]
    assert "fewer than two" in version["reason"]
    assert client.get("/recommendations/1").status_code == 200

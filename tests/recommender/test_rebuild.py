"""What a rebuild says of the item weights."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.recommender import item_training
from app.service import Service
from app.serving import rebuild_model
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


def test_large_data_is_served_by_the_factors_until_the_whole_model_is_there(
    client: TestClient, run_tasks: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_model, "FIRST_FROM", 1)
    client.post("/imports")
    run_tasks()
    served: list[tuple[str, str]] = []
    train_items = item_training.train_items

    def look(*arguments: Any, **options: Any) -> Any:
        answer = client.get("/recommendations/1001")
        served.append((answer.headers["X-Source"], answer.headers["X-Model-Version"]))
        return train_items(*arguments, **options)

    monkeypatch.setattr(rebuild_model, "train_items", look)
    whole = rebuilt(client, run_tasks)
    first = client.get("/models").json()[1]
    assert served == [("personal", "1")]
    assert (whole["version"], whole["active"], whole["evaluation"]["incumbent"]["version"]) == (2, True, 1)
    assert "items" not in first["settings"]
    assert first["settings"]["sweeps"] == rebuild_model.FIRST_SWEEPS
    assert "the whole model follows" in first["reason"]

    # Few ratings have changed: the next one has the same item weights, and says of which state they are.
    again = rebuilt(client, run_tasks)
    assert len(served) == 1
    assert again["settings"]["sweeps"] == rebuild_model.SWEEPS_AGAIN
    assert again["settings"]["items"] == whole["settings"]["items"]
    monkeypatch.setattr(rebuild_model, "REUSED", 0)
    client.post("/ratings", json={"user_id": 1001, "movie_id": 260, "score": 2})
    assert rebuilt(client, run_tasks)["settings"]["items"] != whole["settings"]["items"]
    assert len(served) == 2


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
    assert client.get("/recommendations/1001").status_code == 200

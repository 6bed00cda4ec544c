"""Models that saw a person who is forgotten, and those that never did."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.service import Service
from app.serving import gate, rebuild_model
from app.tasks.worker import run_next
from tests.people.life import OTHERS, RARE, SEVERAL, Run, live, post, send


def test_the_next_model_is_as_if_they_had_never_been(
    client: TestClient, run_tasks: Run, settings: Settings, tmp_path: Path
) -> None:
    live(client, run_tasks)
    (seen,) = client.get("/models").json()
    client.delete(f"/users/{RARE}")
    assert (settings.models_dir / f"{seen['checksum']}.npz").exists()
    assert client.get("/models/1").json()["active"]
    post(client, "/recommender/rebuild")
    run_tasks()
    (model,) = client.get("/models").json()
    assert model["version"] == 2
    assert model["active"]
    assert [path.name for path in settings.models_dir.iterdir()] == [f"{model['checksum']}.npz"]
    assert model["checksum"] == never_there(settings, tmp_path)
    assert model["checksum"] != seen["checksum"]


def never_there(settings: Settings, tmp_path: Path) -> str:
    """The checksum of the first model of a service that never had the person."""
    other = create_app(Settings(data_dir=tmp_path / "other", embedded_worker=False))
    with TestClient(other) as client:
        service: Service = other.state.service
        for text in (OTHERS, SEVERAL.partition(str(RARE))[0]):
            send(client, text)
            while run_next(service.database, service.settings):
                pass
        post(client, "/recommender/rebuild")
        while run_next(service.database, service.settings):
            pass
        return str(client.get("/models").json()[0]["checksum"])


def test_models_that_saw_them_stay_until_one_is_served_that_did_not(
    client: TestClient, run_tasks: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(client, run_tasks)
    client.delete(f"/users/{RARE}")
    with monkeypatch.context() as context:
        context.setattr(gate, "decide", lambda *_: gate.Decision(False, "Not served: a test."))
        post(client, "/recommender/rebuild")
        run_tasks()
    assert [(model["version"], model["active"]) for model in client.get("/models").json()] == [
        (2, False),
        (1, True),
    ]
    assert len(list(settings.models_dir.iterdir())) == 2
    assert client.post("/models/2/activate").status_code == 200
    (model,) = client.get("/models").json()
    assert [path.name for path in settings.models_dir.iterdir()] == [f"{model['checksum']}.npz"]
    assert client.get("/users/5/recommendations").json()


def test_a_rebuild_that_was_under_way_has_seen_them(
    client: TestClient, run_tasks: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(client, run_tasks)
    train = rebuild_model._train
    reports: list[Any] = []

    def forgetting_meanwhile(*arguments: Any) -> Any:
        if not reports:
            reports.append(client.delete(f"/users/{RARE}").json())
        return train(*arguments)

    monkeypatch.setattr(rebuild_model, "_train", forgetting_meanwhile)
    post(client, "/recommender/rebuild")
    run_tasks()
    assert reports[0]["remains"]["models_until"]
    assert [model["version"] for model in client.get("/models").json()] == [2, 1]
    post(client, "/recommender/rebuild")
    run_tasks()
    assert [model["version"] for model in client.get("/models").json()] == [3]

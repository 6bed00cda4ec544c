"""Factors that were trained elsewhere: served if they pass the gate, with the lists that they make."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.cli import commands
from app.recommender import als, kernel
from app.recommender.adoption import adopt
from app.service import Service
from app.serving import factor_file, import_model
from app.serving.factor_file import Factors
from app.serving.kinds import factors_key
from app.storage.store import store_of
from app.tasks.worker import run_next
from tests.recommender.ratings import random_ratings, tastes

Run = Callable[..., int]


@pytest.fixture
def service(client: TestClient, run_tasks: Callable[[], None]) -> Service:
    """Ratings of 310 users with tastes, and a model."""
    interactions, films = tastes(310), range(1, 61)
    movies = "id,title,year,genre\n" + "".join(f"{n},Film {n},2000,Drama\n" for n in films)
    table = interactions.scores
    users, ids = interactions.user_ids[table.row_numbers()], interactions.movie_ids[table.indices]
    rows = zip(users, ids, table.values, strict=True)
    lines = "".join(f"{user},{movie},{score:.1f}\n" for user, movie, score in rows)
    for text in (movies, "user_id,movie_id,score\n" + lines):
        assert client.post("/imports", content=text, headers={"Content-Type": "text/csv"}).status_code == 202
    client.post("/recommender/rebuild")
    run_tasks()
    found: Service = client.app.state.service  # type: ignore[attr-defined]
    return found


@pytest.fixture
def run(service: Service, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the data of `client`; a pause of it runs the tasks."""
    monkeypatch.setenv("MATINEE_DATA_DIR", str(service.settings.data_dir))
    monkeypatch.setattr("app.cli.models.be_private", lambda: None)
    real = time.sleep

    def pause(seconds: float) -> None:
        if seconds != 0.3:
            real(seconds)
        while run_next(service.database, service.settings):
            pass

    monkeypatch.setattr("app.cli.models.time.sleep", pause)
    return lambda *arguments: commands.main([str(argument) for argument in arguments])


def lists(client: TestClient) -> list[Any]:
    return [client.get(f"/recommendations/{user}?limit=30").json() for user in range(1, 41)]


def test_factors_of_a_version_serve_the_same_lists_when_they_come_back(
    client: TestClient, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, name = lists(client), "factors.npz"
    assert run("models", "export", tmp_path / name) == 0
    assert run("models", "import", tmp_path / name) == 0
    assert "Version 2: Served: NDCG@100" in capsys.readouterr().out
    newer, older = client.get("/models").json()
    assert (newer["active"], newer["settings"]["imported"]) == (True, name)
    assert newer["evaluation"]["model"] == pytest.approx(older["evaluation"]["model"], abs=1e-4)
    assert newer["checksum"] != older["checksum"]
    assert lists(client) == before


def test_a_version_without_movies_is_not_exported(
    client: TestClient,
    run_tasks: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was written could not be imported again."""
    client.post("/recommender/rebuild")
    run_tasks()
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setenv("MATINEE_DATA_DIR", str(service.settings.data_dir))
    monkeypatch.setattr("app.cli.models.be_private", lambda: None)
    assert commands.main(["models", "export", str(tmp_path / "none.npz"), "--version", "1"]) == 1
    said = capsys.readouterr()
    assert "Version 1 was built without ratings" in said.err
    assert "rebuild" in said.err
    assert not (tmp_path / "none.npz").exists()


def test_bad_factors_are_not_served_and_what_is_served_stays(
    client: TestClient, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lists(client)
    run("models", "export", tmp_path / "good.npz")
    good = factor_file.read(tmp_path / "good.npz", 10**9)
    noise = np.random.default_rng(0).standard_normal(good.factors.shape).astype(np.float32)
    noise[:, 0] -= 5
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    service.close()
    factor_file.save(tmp_path / "bad.npz", Factors(good.movie_ids, noise, good.objective))
    assert run("models", "import", tmp_path / "bad.npz") == 1
    newer, older = client.get("/models").json()
    out = capsys.readouterr().out
    assert (newer["active"], older["active"]) == (False, True), out
    assert "Not served: NDCG@100" in out
    factor_file.save(tmp_path / "other.npz", Factors(good.movie_ids + 10**6, good.factors, good.objective))
    assert run("models", "import", tmp_path / "other.npz") == 1
    assert "None of the movies in the file is rated here" in capsys.readouterr().err
    task = client.get("/tasks?kind=import_model").json()[0]
    assert (task["status"], task["params"]) == ("failed", {"file": "other.npz"})
    assert lists(client) == before


def test_what_the_factors_do_not_cover_is_said(client: TestClient, run: Run, tmp_path: Path) -> None:
    run("models", "export", tmp_path / "good.npz")
    good = factor_file.read(tmp_path / "good.npz", 10**9)
    ids = good.movie_ids.copy()
    ids[-1] = 10**6
    factor_file.save(tmp_path / "most.npz", Factors(ids, good.factors, good.objective))
    run("models", "import", tmp_path / "most.npz")
    reason = client.get("/models").json()[0]["reason"]
    assert "1 rated movies are not in the file" in reason
    assert "1 movies of the file are not rated here" in reason


def test_a_task_without_its_file_cannot_be_tried_again(
    client: TestClient, service: Service, tmp_path: Path
) -> None:
    factors = Factors(np.array([10**6]), np.ones((1, 2), np.float32), als.TrainSettings().objective(1, 1))
    task = import_model.start(service.database, service.settings, factors, "f.npz")
    while run_next(service.database, service.settings):
        pass
    assert client.get(f"/tasks/{task.id}").json()["status"] == "failed"
    store_of(service.settings).delete([factors_key(task.id)])
    answer = client.post(f"/tasks/{task.id}/retry")
    assert answer.status_code == 409
    assert "matinee models import FILE" in answer.json()["detail"]


def test_both_solvers_of_users_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel finds the users of the exact solution, also by factors that do not fill its lanes."""
    training = random_ratings(200, 80, 4_000)
    model = kernel.train(training, als.TrainSettings(factors=16, sweeps=3), threads=1)
    factors = model.factors[:, 3:]
    exact = adopt(training, model.movie_ids, factors, model.objective, {}, threads=1)
    monkeypatch.setattr("app.recommender.adoption.KERNEL_FROM", 0)
    found = adopt(training, model.movie_ids, factors, model.objective, {}, threads=1)
    shared = np.linalg.eigvalsh(exact.user_gram)
    np.testing.assert_allclose(np.linalg.eigvalsh(found.user_gram)[-13:], shared[-13:], rtol=1e-3)
    np.testing.assert_allclose(found.gram[-13:], exact.gram[-13:], rtol=1e-4)

"""The trainer on Spark as far as it needs none: objectives, reasons, what a rebuild without it leaves."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.errors import ConfigurationError
from app.main import create_app
from app.recommender import als
from app.recommender.als import TrainSettings, half_sweep
from app.service import Service
from app.spark import trainer
from app.spark.job import JAVA, LOST, MEMORY, OTHER, kind_of
from tests.recommender.ratings import random_ratings


def test_the_objective_is_that_of_spark() -> None:
    """A user by our objective solves the normal equations of Spark (`ALS.computeFactors`)."""
    weights = random_ratings(30, 20, 300).confidences()
    settings = TrainSettings(factors=16)
    objective = trainer.objective_of(weights, settings)
    movies = np.random.default_rng(2).standard_normal((20, 16))
    users, turned = half_sweep(weights, movies, objective, objective.user_offset)
    r, regularization = weights.values / settings.unobserved, objective.regularization / settings.unobserved
    for row in range(weights.rows):
        some = slice(weights.indptr[row], weights.indptr[row + 1])
        near = movies[weights.indices[some]]
        left = movies.T @ movies + (near.T * r[some]) @ near + regularization * len(near) * np.eye(16)
        x = np.linalg.solve(left, (1 + r[some]) @ near)
        np.testing.assert_allclose(movies @ x, turned @ users[row], atol=1e-6)


def test_a_sweep_by_our_own_objective_follows(tmp_path: Path) -> None:
    ratings, settings = random_ratings(30, 20, 300), TrainSettings(factors=16)
    movies = np.random.default_rng(2).standard_normal((20, 16), np.float32)
    told: list[tuple[int, int]] = []
    spark = trainer.SparkTrainer("local[2]", tmp_path / "spark")
    model = spark.finished(ratings, settings, movies, lambda *done: told.append(done))
    ours = als.train(ratings, replace(settings, sweeps=1), start=movies)
    np.testing.assert_array_equal(model.factors, ours.factors)
    assert told == [(17, 18), (18, 18)]
    assert (model.settings["trainer"], model.settings["sweeps"]) == ("spark", 8)
    assert model.objective == ours.objective


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Py4JJavaError: ... java.lang.OutOfMemoryError: Java heap space", MEMORY),
        ("PySparkRuntimeError: [JAVA_GATEWAY_EXITED] Java gateway process exited", JAVA),
        ("Py4JNetworkError: Answer from Java side is empty", LOST),
        ("Reason: All masters are unresponsive! Giving up.", LOST),
        ("ConnectionRefusedError: [Errno 111] Connection refused", LOST),
        ("AnalysisException: a column is missing", OTHER),
    ],
)
def test_what_has_happened_is_known_by_what_it_says(text: str, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    "value",
    [
        "local",
        "local[0]",
        "local[x]",
        "yarn",
        "spark://",
        "sc://a b:1",
        "sc://one:1/;token=secret",
        "http://x",
    ],
)
def test_only_addresses_of_spark_are_settings(value: str) -> None:
    with pytest.raises(ConfigurationError, match="MATINEE_SPARK"):
        Settings.from_environment({"MATINEE_SPARK": value})


def test_its_addresses_are_settings() -> None:
    for value in (
        "local[*]",
        "local[2]",
        "spark://one:7077",
        "spark://one:7077,two:7077",
        "sc://one:15002",
    ):
        assert Settings.from_environment({"MATINEE_SPARK": value}).spark == value


def test_without_pyspark_the_rebuild_fails_with_what_to_do_and_what_is_served_stays(
    client: TestClient, run_tasks: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/imports")
    client.post("/recommender/rebuild")
    run_tasks()
    before = client.get("/recommendations/1001").json()
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    service.close()
    client.app = create_app(replace(service.settings, trainer="spark"))
    monkeypatch.setattr("app.spark.trainer.importlib.util.find_spec", lambda _name: None)
    task = client.post("/recommender/rebuild").json()["task_id"]
    run_again: Service = client.app.state.service
    from app.tasks.worker import run_next

    while run_next(run_again.database, run_again.settings):
        pass
    error = client.get(f"/tasks/{task}").json()["error"]
    assert "pyspark, or what it needs, is not installed. Install matinee[spark]" in error["detail"]
    assert [model["active"] for model in client.get("/models").json()] == [True]
    assert client.get("/recommendations/1001").json() == before
    run_again.close()

"""Training on Spark itself: `uv sync --extra spark`, then `uv run pytest -n 0 -m proof tests/spark`."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.arrays import Floats
from app.errors import TrainingFailed
from app.main import create_app
from app.recommender import evaluation, kernel
from app.recommender.als import TrainSettings, first_factors, half_sweep
from app.recommender.interactions import Csr
from app.recommender.model import Objective
from app.service import Service
from app.spark.trainer import SparkTrainer, objective_of
from app.tasks.worker import run_next
from benchmarks.synthetic import generate
from tests.recommender.ratings import tastes

pytest.importorskip("pyspark")
if shutil.which("java") is None:
    pytest.skip("there is no Java", allow_module_level=True)
SETTINGS = TrainSettings()


class Enough(Exception):
    """Raised by a progress to end a training."""


@pytest.fixture
def spark(tmp_path: Path) -> SparkTrainer:
    return SparkTrainer("local[2]", tmp_path / "spark")


def loss(weights: Csr, movies: Floats, objective: Objective) -> float:
    """What Spark minimises, times `unobserved`, for these movies and the users that are best for them."""
    users, turned = half_sweep(weights, movies.astype(np.float64), objective, objective.user_offset)
    rows, a = weights.row_numbers(), objective.unobserved
    scores = np.einsum("nk,nk->n", users[rows], turned[weights.indices])
    fit = ((a + weights.values) * (1 - scores) ** 2).sum() - a * (scores**2).sum()
    everywhere = a * float(((users.T @ users) * (turned.T @ turned)).sum())
    counts = np.bincount(weights.indices, minlength=weights.columns)
    norms = weights.lengths @ (users**2).sum(1) + counts @ (turned**2).sum(1)
    return float(fit + everywhere + objective.regularization * norms)


def test_it_is_as_good_as_the_kernel_and_minimises_what_it_says(spark: SparkTrainer) -> None:
    training, held_out = evaluation.split(generate("100k"))
    done: list[int] = []
    model = spark(training, SETTINGS, progress=lambda now, _total: done.append(now))
    assert done == sorted(done)
    assert max(done) >= SETTINGS.sweeps
    weights = training.confidences()
    objective = objective_of(weights, SETTINGS)
    assert model.objective == SETTINGS.objective(weights.rows, weights.columns)
    start = first_factors(weights.columns, SETTINGS)
    (_, movies) = next(islice(kernel.alternate(weights, start, objective), 2 * SETTINGS.sweeps - 1, None))
    losses = loss(weights, model.factors, objective), loss(weights, movies, objective)
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
    ours = evaluation.evaluate(kernel.train(training, SETTINGS), held_out)
    theirs = evaluation.evaluate(model, held_out)
    print(f"NDCG@100 Spark {theirs.ndcg:.4f}, kernel {ours.ndcg:.4f}")
    print(f"loss Spark {losses[0]:.1f}, kernel {losses[1]:.1f}")
    assert theirs.ndcg == pytest.approx(ours.ndcg, abs=0.01)
    assert not spark._folder.exists()


def processes() -> set[int]:
    """The processes of the job and of the JVM under it."""
    found = subprocess.run(
        ["pgrep", "-f", "app.spark.job|spark-submit|SparkSubmit"], check=False, capture_output=True
    )
    return {int(line) for line in found.stdout.split()}


def test_a_cancel_ends_it_within_five_seconds(spark: SparkTrainer) -> None:
    others, raised = processes(), 0.0

    def stop(done: int, _total: int) -> None:
        nonlocal raised
        if done > 2:
            raised = time.monotonic()
            raise Enough

    with pytest.raises(Enough):
        spark(generate("100k"), SETTINGS, progress=stop)
    assert time.monotonic() - raised < 2
    while processes() - others and time.monotonic() - raised < 5:
        threading.Event().wait(0.1)
    assert processes() - others == set()


def test_a_jvm_that_dies_is_told_with_what_to_do(spark: SparkTrainer) -> None:
    others = processes()

    def kill(done: int, _total: int) -> None:
        if done > 2:
            for pid in processes() - others:
                command = Path(f"/proc/{pid}/cmdline")
                if command.exists() and b"java" in command.read_bytes()[:200]:
                    os.kill(pid, signal.SIGKILL)

    with pytest.raises(TrainingFailed, match=r"cannot be reached, or it ended\. Start it"):
        spark(generate("100k"), SETTINGS, progress=kill)


def test_a_lack_of_memory_is_told_with_what_to_do(
    spark: SparkTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--driver-memory 512m pyspark-shell")
    with pytest.raises(TrainingFailed, match=r"it ran out of memory\. Give it more"):
        spark(generate("100k"), replace(SETTINGS, factors=1024))


def test_a_rebuild_is_served_and_one_that_finds_no_spark_leaves_it(
    client: TestClient, run_tasks: Callable[[], None]
) -> None:
    interactions = tastes(310)
    table = interactions.scores
    users, ids = interactions.user_ids[table.row_numbers()], interactions.movie_ids[table.indices]
    movies = "id,title,year,genre\n" + "".join(f"{n},Film {n},2000,Drama\n" for n in range(1, 61))
    lines = "".join(f"{u},{m},{s:.1f}\n" for u, m, s in zip(users, ids, table.values, strict=True))
    for text in (movies, "user_id,movie_id,score\n" + lines):
        client.post("/imports", content=text, headers={"Content-Type": "text/csv"})
    run_tasks()
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    service.close()
    for master, status in (("local[2]", "complete"), ("spark://127.0.0.1:9", "failed")):
        client.app = create_app(replace(service.settings, trainer="spark", spark=master))
        now: Service = client.app.state.service
        task = client.post("/recommender/rebuild").json()["task_id"]
        while run_next(now.database, now.settings):
            pass
        told = client.get(f"/tasks/{task}").json()
        assert told["status"] == status, told
        now.close()
    assert "cannot be reached" in told["error"]["detail"]
    client.app = create_app(service.settings)
    (model,) = client.get("/models").json()
    assert (model["active"], model["settings"]["trainer"]) == (True, "spark")
    assert client.get("/recommendations/1").headers["X-Source"] == "personal"
    client.app.state.service.close()

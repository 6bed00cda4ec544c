"""Training on Spark itself: `uv sync --extra spark`, then `uv run pytest -n 0 -m proof tests/spark`."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.errors import TrainingFailed
from app.main import create_app
from app.recommender.als import TrainSettings
from app.service import Service
from app.spark.trainer import SparkTrainer
from app.tasks.worker import run_next
from benchmarks.spark import MOST_LOSS, MOST_NDCG, compare
from benchmarks.synthetic import generate
from tests.recommender.ratings import tastes
from tests.server import poll

pytest.importorskip("pyspark")
if shutil.which("java") is None:
    pytest.skip("there is no Java", allow_module_level=True)
SETTINGS = TrainSettings()


class Enough(Exception):
    """Raised by a progress to end a training."""


@pytest.fixture
def spark(tmp_path: Path) -> SparkTrainer:
    return SparkTrainer("local[2]", tmp_path / "spark")


def test_it_is_as_good_as_the_kernel_and_minimises_what_it_says(spark: SparkTrainer) -> None:
    done: list[int] = []
    found = compare(generate("100k"), spark, lambda now, _total: done.append(now))
    print(found)
    assert done == sorted(done)
    assert max(done) >= SETTINGS.sweeps
    assert found["loss"] == pytest.approx(found["kernel_loss"], rel=MOST_LOSS)
    assert found["ndcg"] == pytest.approx(found["kernel_ndcg"], abs=MOST_NDCG)
    assert not spark._folder.exists()


def processes() -> set[int]:
    """The processes of the job and of the JVM under it."""
    found = subprocess.run(
        ["pgrep", "-f", "app.spark.job|spark-submit|SparkSubmit"], check=False, capture_output=True
    )
    return {int(line) for line in found.stdout.split()}


def test_a_cancel_ends_it(spark: SparkTrainer) -> None:
    others = processes()

    def stop(done: int, _total: int) -> None:
        if done > 2:
            raise Enough

    with pytest.raises(Enough):
        spark(generate("100k"), SETTINGS, progress=stop)
    poll(lambda: processes() <= others, within=15)


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
    little = "--driver-memory 128m --conf spark.testing.memory=2000000000"  # Spark asks for more than that
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", f"{little} pyspark-shell")
    with pytest.raises(TrainingFailed, match=r"it ran out of memory\. Give it more"):
        spark(generate("100k"), replace(SETTINGS, factors=4096))


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

"""A trainer whose factors `pyspark.ml.recommendation.ALS` finds, in a process of its own (`app.spark.job`).

The objective of Spark, for ratings r = w / alpha0, times alpha0 is ours with a linear term of w + alpha0, and
without the part of the regulariser that grows with the number of all rows. One sweep by our own objective
follows here, which lists better (docs/decisions/0042).
"""

import importlib.util
import json
import math
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from app.arrays import Floats, Integers
from app.errors import ConfigurationError, TrainingFailed
from app.recommender.als import DEFAULTS, Progress, TrainSettings
from app.recommender.interactions import Csr, Interactions
from app.recommender.model import Model, Objective
from app.recommender.training import trainer_for
from app.spark.job import JAVA, LOST, MEMORY, MISSING
from app.storage.parquet import Table, library, vectors

BATCH = 1 << 20
"""Ratings that are written at once."""
LOOK = 0.25
"""Seconds between two reports while Spark works."""
PATIENCE = 900.0
"""Seconds without any task that ends after which Spark is given up."""
LEAVING = 0.5
"""Seconds to wait for a process that is to end; later it ends by itself."""
KEPT = 500_000
"""Bytes of what Spark has printed that are looked at for a reason."""

ADVICE = {
    MISSING: (
        "Install matinee[spark] for the worker (`uv sync --extra spark`), for sc:// also pyspark[connect], "
        "or set MATINEE_TRAINER=local"
    ),
    JAVA: "Install Java 17 or newer for the worker and set JAVA_HOME, or set MATINEE_TRAINER=local",
    MEMORY: (
        "Give it more, as spark.driver.memory and spark.executor.memory in the spark-defaults.conf of "
        "SPARK_CONF_DIR, set MATINEE_FACTORS lower, or set MATINEE_TRAINER=local"
    ),
    LOST: "Start it there or correct MATINEE_SPARK, or set MATINEE_TRAINER=local",
}
REASONS = {
    MISSING: "pyspark, or what it needs, is not installed",
    JAVA: "there is no Java that it can use",
    MEMORY: "it ran out of memory",
    LOST: "it cannot be reached, or it ended",
}


class SparkTrainer:
    """Trains on the Spark at `master`; `folder`: a new one that its machines see under the same path."""

    def __init__(self, master: str, folder: Path, threads: int | None = None) -> None:
        self._master, self._folder, self._threads = master, folder.absolute(), threads

    def check(self) -> None:
        """Raises `ConfigurationError` if something is missing on this machine."""
        library()
        if importlib.util.find_spec("pyspark") is None:
            raise ConfigurationError(_text(self._master, MISSING))
        home = os.environ.get("JAVA_HOME")
        found = Path(home, "bin", "java").exists() if home else shutil.which("java")
        if not self._master.startswith("sc:") and not found:
            raise ConfigurationError(_text(self._master, JAVA))

    def __call__(
        self,
        interactions: Interactions,
        settings: TrainSettings = DEFAULTS,
        *,
        start: Floats | None = None,  # noqa: ARG002  (Spark takes none)
        progress: Progress | None = None,
    ) -> Model:
        """See `als.Trainer`. Raises `TrainingFailed` with what to do, and what `progress` raises."""
        movies = self.movies(interactions, settings, progress)
        return self.finished(interactions, settings, movies, progress)

    def movies(
        self, interactions: Interactions, settings: TrainSettings, progress: Progress | None = None
    ) -> Floats:
        """The factors [M, k] that Spark finds. Raises what a call does."""
        weights, tell, halves = interactions.confidences(), progress or _nothing, _halves(settings)
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            (self._folder / "scratch").mkdir(parents=True)
            _write(weights, self._folder / "ratings", settings.unobserved)
            objective = objective_of(weights, settings)
            self._run(settings, objective, lambda jobs: tell(min(jobs, halves - 2), halves))
            rows, factors = self._factors()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        found = np.zeros((weights.columns, settings.factors), np.float32)
        found[rows] = factors
        return found

    def finished(
        self,
        interactions: Interactions,
        settings: TrainSettings,
        movies: Floats,
        progress: Progress | None = None,
    ) -> Model:
        """The model after one sweep by our objective from those factors. Raises what `progress` raises."""
        train, last = trainer_for(len(interactions), self._threads), replace(settings, sweeps=1)
        tell, halves = progress or _nothing, _halves(settings)
        model = train(
            interactions, last, start=movies, progress=lambda done, _: tell(halves - 2 + done, halves)
        )
        objective = objective_of(interactions.confidences(), settings)
        described = asdict(settings) | {"trainer": "spark", "objective": asdict(objective)}
        return replace(model, settings=described)

    def _run(self, settings: TrainSettings, objective: Objective, tell: Callable[[int], None]) -> None:
        """`tell` is called with the number of jobs."""
        job = {
            "master": self._master,
            "group": f"matinee-{os.getpid()}-{time.time_ns()}",
            "ratings": str(self._folder / "ratings"),
            "target": str(self._folder / "factors"),
            "scratch": str(self._folder / "scratch"),
            "factors": settings.factors,
            "sweeps": settings.sweeps,
            "regularization": objective.regularization / objective.unobserved,
            "seed": settings.seed,
        }
        with (self._folder / "spark.log").open("wb") as log, closing(_Process(job, log.fileno())) as process:
            process.follow(tell)
        if not process.is_complete:
            self._fail(process)

    def _fail(self, process: "_Process") -> NoReturn:
        printed = (self._folder / "spark.log").read_bytes()[-KEPT:].decode(errors="replace")
        kind, text = process.error
        if "OutOfMemoryError" in printed:  # a JVM that lacks memory is often gone before it can say so
            kind = MEMORY
        if kind in REASONS:
            raise TrainingFailed(_text(self._master, kind))
        reason = " ".join(text.split())[:500]
        raise TrainingFailed(
            f"Spark at {self._master} could not train: {reason} Look into its log, "
            "or set MATINEE_TRAINER=local."
        )

    def _factors(self) -> tuple[Integers, Floats]:
        """Rows of movies [n] and their factors [n, k]."""
        parts = [
            part
            for path in sorted((self._folder / "factors").glob("*.parquet"))
            for part in vectors(path, "id", "features")
        ]
        if not parts:
            raise TrainingFailed(
                f"Spark at {self._master} has written no factors into {self._folder}. Its machines have to "
                "see the data folder (MATINEE_DATA_DIR) under the same path, and may write there."
            )
        rows, factors = zip(*parts, strict=True)
        return np.concatenate(rows), np.concatenate(factors)


class _Process:
    """The process of the job while it runs; closing it ends it, whatever it does."""

    def __init__(self, job: dict[str, Any], log: int) -> None:
        self.is_complete, self.error = False, (LOST, "")
        self._heard = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.spark.job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()

    def follow(self, progress: Callable[[int], None]) -> None:
        """Until it ends. Raises what `progress`, called with the number of jobs, raises."""
        jobs, seen, since = 0, None, time.monotonic()
        while (said := self._next()) is not None:
            if said.get("complete"):
                self.is_complete = True
            elif "error" in said:
                self.error = said["error"], said["text"]
            elif said:
                jobs = max(jobs, said["jobs"])
                if (said["jobs"], said["tasks"]) != seen:
                    seen, since = (said["jobs"], said["tasks"]), time.monotonic()
            if time.monotonic() - since > PATIENCE:
                self.error = "stalled", f"no task of it has ended for {PATIENCE / 60:.0f} minutes."
                return
            progress(jobs)

    def _next(self) -> dict[str, Any] | None:
        """What it says next, nothing after `LOOK` seconds, None at the end."""
        assert self._process.stdout is not None  # noqa: S101
        while b"\n" not in self._heard:
            if not select.select([self._process.stdout], [], [], LOOK)[0]:
                return {}
            some = os.read(self._process.stdout.fileno(), 1 << 16)
            if not some:
                return None
            self._heard += some
        line, _, self._heard = self._heard.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LEAVING)


def _halves(settings: TrainSettings) -> int:
    """Half sweeps in all: those of Spark and ours."""
    return 2 * (settings.sweeps + 1)


def _nothing(_done: int, _total: int) -> None:
    """In place of a progress."""


def objective_of(weights: Csr, settings: TrainSettings) -> Objective:
    """What Spark minimises, in our terms.

    `pairs / entries` times alpha0 is how much the regulariser lacks, summed over all rows. Given to rows by
    their entries that is too much where these differ; docs/decisions/0042 has what was tried.
    """
    pairs, entries = weights.rows * weights.columns, max(1, len(weights.values))
    return Objective(
        unobserved=settings.unobserved,
        regularization=settings.regularization * math.sqrt(1 + settings.unobserved * pairs / entries),
        linear=settings.unobserved,
    )


def _write(weights: Csr, folder: Path, unobserved: float) -> None:
    """The weights as ratings for Spark, by rows and columns in place of ids."""
    kinds = {"user": "int32", "movie": "int32", "weight": "float32"}
    with Table(folder, kinds) as table:
        for first in range(0, len(weights.values), BATCH):
            some = slice(first, first + BATCH)
            entries = np.arange(first, min(first + BATCH, len(weights.values)))
            users = np.searchsorted(weights.indptr, entries, side="right") - 1
            values = weights.values[some] / np.float32(unobserved)
            table.add({"user": users.astype(np.int32), "movie": weights.indices[some], "weight": values})


def _text(master: str, kind: str) -> str:
    return f"Spark at {master} could not train: {REASONS[kind]}. {ADVICE[kind]}, and rebuild."

"""Spark as the trainer beside the kernel, on the same ratings: NDCG, the loss that Spark minimises, seconds.

The loss is that of the factors that Spark returns, before the last sweep by our own objective, and of the
kernel with Spark's objective.

A second training is cancelled in its sweeps, until none of its processes is left. Spark's memory is what
`spark.driver.memory` in the spark-defaults.conf of SPARK_CONF_DIR says.

    uv run --extra spark --group bench python -m benchmarks.spark --size 100k 1M --master local[2] --json FILE
"""

import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from app.arrays import Floats
from app.recommender import evaluation, kernel
from app.recommender.als import TrainSettings, first_factors, half_sweep
from app.recommender.interactions import Csr, Interactions
from app.recommender.model import Objective
from app.spark.trainer import SparkTrainer, objective_of
from benchmarks import synthetic
from benchmarks.report import Report, arguments, note

SETTINGS = TrainSettings()
MOST_NDCG, MOST_LOSS = 0.01, 0.01
"""How far the two may be apart: NDCG@100, and the loss as a share."""
MOST_CANCEL = 5.0
"""Seconds from a cancel until Spark's processes have ended."""
SWEPT = 3
"""Jobs of Spark, of some twenty, after which it is cancelled."""


class Enough(Exception):
    """Raised by a progress, as a cancel is."""


def loss(weights: Csr, movies: Floats, objective: Objective) -> float:
    """What Spark minimises, times `unobserved`, for these movies and the users that are best for them."""
    users, turned = half_sweep(weights, movies.astype(np.float64), objective, objective.user_offset)
    rows, a = weights.row_numbers(), objective.unobserved
    scores = np.concatenate(
        [
            np.einsum("nk,nk->n", users[rows[some]], turned[weights.indices[some]])
            for some in (slice(first, first + 100_000) for first in range(0, len(rows), 100_000))
        ]
    )
    fit = ((a + weights.values) * (1 - scores) ** 2).sum() - a * (scores**2).sum()
    everywhere = a * float(((users.T @ users) * (turned.T @ turned)).sum())
    counts = np.bincount(weights.indices, minlength=weights.columns)
    norms = weights.lengths @ (users**2).sum(1) + counts @ (turned**2).sum(1)
    return float(fit + everywhere + objective.regularization * norms)


def compare(
    interactions: Interactions, spark: SparkTrainer, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Both trainers on the same ratings, judged on the same held-out users."""
    training, held_out = evaluation.split(interactions)
    began = time.perf_counter()
    found = spark.movies(training, SETTINGS, progress)
    model = spark.finished(training, SETTINGS, found, progress)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    ours = kernel.train(training, SETTINGS)
    kernel_seconds = time.perf_counter() - began
    weights = training.confidences()
    objective, start = objective_of(weights, SETTINGS), first_factors(weights.columns, SETTINGS)
    (_, movies) = next(islice(kernel.alternate(weights, start, objective), 2 * SETTINGS.sweeps - 1, None))
    return {
        "ratings": len(training),
        "ndcg": evaluation.evaluate(model, held_out).ndcg,
        "kernel_ndcg": evaluation.evaluate(ours, held_out).ndcg,
        "loss": loss(weights, found, objective),
        "kernel_loss": loss(weights, movies, objective),
        "seconds": seconds,
        "kernel_seconds": kernel_seconds,
    }


def cancel(interactions: Interactions, spark: SparkTrainer) -> float:
    """Seconds from the cancel of a training until all that it had started has ended."""
    began, started = 0.0, list[psutil.Process]()

    def stop(done: int, _total: int) -> None:
        nonlocal began
        if done >= SWEPT:
            started.extend(psutil.Process().children(recursive=True))
            began = time.perf_counter()
            raise Enough

    try:
        spark(interactions, SETTINGS, progress=stop)
    except Enough:
        _, left = psutil.wait_procs(started, timeout=60)
        assert started
        assert not left
    return time.perf_counter() - began


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--size", choices=synthetic.SHAPES, nargs="+", default=["100k"])
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--folder", type=Path, help="that Spark sees too (default: a temporary one)")
    options = parser.parse_args()
    report = Report("spark")
    for size in options.size:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            note(f"{size}: Spark, then the kernel")
            interactions = synthetic.generate(size)
            spark = SparkTrainer(options.master, Path(scratch, "spark"))
            found = compare(interactions, spark)
            note(f"{size}: a training that is cancelled")
            seconds = cancel(interactions, spark)
        report.add(size=size, **found)
        report.at_most(f"cancelled within, s, {size}", seconds, MOST_CANCEL)
        apart = abs(found["ndcg"] - found["kernel_ndcg"])
        report.at_most(f"NDCG@100 apart, {size}", apart, MOST_NDCG)
        report.at_most(f"losses apart, {size}", abs(found["loss"] / found["kernel_loss"] - 1), MOST_LOSS)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

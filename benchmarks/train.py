"""Training, side by side: this kernel, implicit and irspack, each in a process of its own.

Same ratings, weights, k, threads. Every engine minimises an objective that the kernel can take on
exactly: irspack's is ours; implicit's has another linear term and regulariser. The loss is computed
here, the same way for all, after every sweep, with the clock stopped. "Equal loss" is what the kernel has
after five sweeps; a peer runs until it gets there. A sweep counts as its fastest repetition.
"""

import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from app.recommender.als import TrainSettings, first_factors
from app.recommender.interactions import Csr
from app.recommender.model import Objective
from benchmarks import synthetic
from benchmarks.report import Report, arguments, note

Factors = tuple[NDArray[np.float32], NDArray[np.float32]]
SWEEPS = 5  # of the kernel; the loss after them is what a peer must reach
FLAT = 5.0  # implicit's regularisation, the same for every row: about what ours is for a typical one


@dataclass(frozen=True)
class Engine:
    name: str
    objective: str
    sweeps: int  # at most
    run: Callable[[Csr, int, int, int, Objective], Iterator[Factors]]


def kernel(weights: Csr, factors: int, threads: int, sweeps: int, objective: Objective) -> Iterator[Factors]:
    from app.recommender.kernel import alternate

    first = first_factors(weights.columns, TrainSettings(factors=factors))
    yield from islice(alternate(weights, first, objective, threads), 1, 2 * sweeps, 2)


def implicit(cg: bool) -> Callable[..., Iterator[Factors]]:
    def run(weights: Csr, factors: int, threads: int, sweeps: int, objective: Objective) -> Iterator[Factors]:
        from implicit.cpu import als
        from scipy.sparse import csr_matrix

        shape = (weights.rows, weights.columns)
        data = csr_matrix((1 + weights.values / objective.unobserved, weights.indices, weights.indptr), shape)
        model = als.AlternatingLeastSquares(
            factors=factors, regularization=FLAT, num_threads=threads, use_cg=cg, random_state=0
        )
        turned = data.T.tocsr()
        model.user_factors = np.zeros((shape[0], factors), np.float32)
        model.item_factors = first_factors(shape[1], TrainSettings(factors=factors))  # better than its own
        for _ in range(sweeps):
            model.solver(data, model.user_factors, model.item_factors, FLAT, num_threads=threads)
            model.solver(turned, model.item_factors, model.user_factors, FLAT, num_threads=threads)
            yield model.user_factors, model.item_factors

    return run


def irspack(solver: str) -> Callable[..., Iterator[Factors]]:
    def run(weights: Csr, factors: int, threads: int, sweeps: int, objective: Objective) -> Iterator[Factors]:
        from irspack.recommenders.ials import IALSTrainer, str_to_loss_type, str_to_solver_type
        from scipy.sparse import csr_matrix

        data = csr_matrix((weights.values, weights.indices, weights.indptr), (weights.rows, weights.columns))
        trainer = IALSTrainer(
            data, factors, objective.unobserved, objective.regularization, objective.exponent, 0.1,
            str_to_solver_type(solver), 3, 64, str_to_loss_type("IALSPP"), 0, threads, 5, 7,
        )  # fmt: skip
        for _ in range(sweeps):
            trainer.run_epoch()
            yield trainer.core_trainer.user, trainer.core_trainer.item

    return run


ENGINES = [
    Engine("kernel", "ours", 8, kernel),
    Engine("irspack CG", "ours", 12, irspack("CG")),
    Engine("irspack Cholesky", "ours", 8, irspack("CHOLESKY")),
    Engine("kernel", "implicit's", 8, kernel),
    Engine("implicit CG", "implicit's", 14, implicit(cg=True)),
    Engine("implicit Cholesky", "implicit's", 8, implicit(cg=False)),
]


def objective_of(name: str, weights: Csr) -> Objective:
    """implicit: (Y'Y + sum w/a yy' + FLAT I) x = sum (1 + w/a) y; ours is that times a, without the 1."""
    if name == "ours":
        return TrainSettings().objective(weights.rows, weights.columns)
    return Objective(0.2, 0.2 * FLAT, exponent=0.0, linear=0.2)


@njit(fastmath=True, nogil=True)
def observed(indptr, indices, weights, linear, users, movies):  # type: ignore[no-untyped-def]
    """Sum of w p^2 - 2 (w + linear) p over the entries."""
    total = 0.0
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            p = np.float32(0)
            for f in range(users.shape[1]):
                p += users[row, f] * movies[indices[e], f]
            total += weights[e] * p * p - 2 * (weights[e] + linear) * p
    return total


def loss(weights: Csr, support: NDArray[Any], objective: Objective, users: Any, movies: Any) -> float:
    """The objective, per rating, less what no factors can change."""
    users, movies = np.ascontiguousarray(users), np.ascontiguousarray(movies)
    value = observed(weights.indptr, weights.indices, weights.values, objective.linear, users, movies)
    grams = [(side.T @ side).astype(np.float64) for side in (users, movies)]
    value += objective.unobserved * float((grams[0] * grams[1]).sum())
    for side, n, offset in (
        (users, weights.lengths, objective.user_offset),
        (movies, support, objective.movie_offset),
    ):
        penalty = objective.regularization * (n + offset) ** objective.exponent
        value += float(penalty @ np.einsum("ij,ij->i", side, side).astype(np.float64))
    return float(value) / len(weights.values) + 1


def measure(
    engine: Engine, folder: Path, size: str, factors: int, threads: int, goal: float | None
) -> dict[str, Any]:
    """One engine from reading the ratings to `goal` (or the last sweep), in the process that calls it."""
    weights = synthetic.stored(folder, size).confidences()
    objective = objective_of(engine.objective, weights)
    support = np.bincount(weights.indices, minlength=weights.columns)
    seconds, losses, peak = [], [], 0
    observed(weights.indptr[:1], weights.indices, weights.values, 0.0, *(np.zeros((1, 1), np.float32),) * 2)
    sides = engine.run(weights, factors, threads, engine.sweeps, objective)
    began = time.perf_counter()
    for users, movies in sides:
        seconds.append(time.perf_counter() - began)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        losses.append(loss(weights, support, objective, users, movies))
        if goal and losses[-1] <= goal:
            break
        began = time.perf_counter()
    return {"seconds": seconds, "losses": losses, "peak_mb": peak / 1024, "ratings": len(weights.values)}


def in_process(engine: Engine, *rest: Any) -> dict[str, Any]:
    """`measure` in a new process, so that the peak memory is that engine's alone."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        child = multiprocessing.get_context("spawn").Process(
            target=_child, args=(ENGINES.index(engine), file.name, *rest)
        )
        child.start()
        child.join()
        if child.exitcode:
            raise SystemExit(f"{engine.name} ended with exit code {child.exitcode}")
        result: dict[str, Any] = json.load(file)
    return result


def _child(index: int, path: str, *rest: Any) -> None:
    Path(path).write_text(json.dumps(measure(ENGINES[index], *rest)))


def compare(report: Report, folder: Path, size: str, factors: int, threads: int, peers: list[str]) -> None:
    goals: dict[str, float] = {}
    ours: dict[str, float] = {}
    for engine in ENGINES:
        if engine.name not in ("kernel", *peers):
            continue
        note(f"{size}: {engine.name}, objective {engine.objective}")
        result = in_process(engine, folder, size, factors, threads, goals.get(engine.objective))
        sweep = min(result["seconds"])  # whoever else uses the machine only ever adds
        if engine.name == "kernel":
            goals[engine.objective] = result["losses"][SWEEPS - 1]
            ours[engine.objective] = sweep * SWEEPS
        goal = goals[engine.objective]
        reached = next((n for n, value in enumerate(result["losses"], 1) if value <= goal), None)
        ratio = sweep * (reached or engine.sweeps) / ours[engine.objective]
        report.add(
            size=size, k=factors, objective=engine.objective, engine=engine.name, seconds_a_sweep=sweep,
            sweeps=reached if reached else f"> {engine.sweeps}", loss=result["losses"][-1],
            peak_mb=round(result["peak_mb"]), times_ours=round(ratio, 2),
        )  # fmt: skip
        if engine.name == "implicit CG":
            report.at_least(f"times as fast as implicit CG at equal loss, {size}, k={factors}", ratio, 3)
        if engine.name == "kernel" and engine.objective == "ours":
            report.at_most(f"peak memory in MB, {size}, k={factors}", result["peak_mb"], 1000)


def main() -> int:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument(
        "--size", choices=synthetic.SHAPES, action="append", help="default 1M; may be repeated"
    )
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--peers", default="irspack CG,irspack Cholesky,implicit CG,implicit Cholesky")
    parser.add_argument("--folder", type=Path, help="where generated ratings are kept; default: thrown away")
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for the children; implicit slows down without it
    report = Report("train")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for size in options.size or ["1M"]:
            synthetic.stored(folder, size)
            compare(report, folder, size, options.factors, options.threads, options.peers.split(","))
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

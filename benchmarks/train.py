"""Training, side by side: this kernel, implicit and irspack, each in a process of its own.

Same ratings, weights, k, threads. Every engine minimises an objective that the kernel can take on
exactly: irspack's is ours; implicit's has another linear term and regulariser. The loss is computed
here, the same way for all, after every sweep, with the clock stopped. "Equal loss" is what the kernel has
after five sweeps; a peer runs until it gets there. Engines take turns, sweep by sweep, and each
counts with its fastest: others on the machine can only add.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_features
from numba import njit
from numpy.typing import NDArray

from app.recommender.als import TrainSettings, first_factors
from app.recommender.interactions import Csr
from app.recommender.model import Objective
from benchmarks import synthetic
from benchmarks.report import Report, arguments, note, own_peak

Factors = tuple[NDArray[np.float32], NDArray[np.float32]]
SWEEPS = 5  # of the kernel; the loss after them is what a peer must reach
BARS = {True: 7.0, False: 6.0}  # times implicit CG at 20M, with vectors of 512 bits and without
OTHER_BAR = 3.0  # at other sizes, where the fixed costs of a sweep count
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
    Engine("kernel", "ours", 14, kernel),
    Engine("irspack CG", "ours", 12, irspack("CG")),
    Engine("irspack Cholesky", "ours", 8, irspack("CHOLESKY")),
    Engine("kernel", "implicit's", 14, kernel),
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


def serve(channel: Connection, index: int, folder: Path, size: str, factors: int, threads: int) -> None:
    """In a process of its own: one sweep for each message, answered by its figures."""
    engine = ENGINES[index]
    weights = synthetic.stored(folder, size).confidences()
    objective = objective_of(engine.objective, weights)
    support = np.bincount(weights.indices, minlength=weights.columns)
    observed(weights.indptr[:1], weights.indices, weights.values, 0.0, *(np.zeros((1, 1), np.float32),) * 2)
    sides = engine.run(weights, factors, threads, engine.sweeps, objective)
    for _ in iter(channel.recv, None):
        began = time.perf_counter()
        users, movies = next(sides)
        seconds = time.perf_counter() - began
        peak = own_peak() / 1024
        channel.send((seconds, loss(weights, support, objective, users, movies), peak))


class Running:
    """An engine at work: its process and what it has answered."""

    def __init__(self, engine: Engine, *rest: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.engine = engine
        self.channel, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, ENGINES.index(engine), *rest))
        self.process.start()
        other.close()
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self.peak = 0.0

    def sweep(self) -> None:
        self.channel.send(True)
        seconds, value, self.peak = self.channel.recv()
        self.seconds.append(seconds)
        self.losses.append(value)

    def reached(self, goal: float) -> int | None:
        """The first sweep with this loss."""
        return next((n for n, value in enumerate(self.losses, 1) if value <= goal), None)

    def stop(self) -> None:
        self.channel.send(None)
        self.process.join()


def race(engines: list[Engine], *rest: Any) -> tuple[list[Running], float]:
    """Sweep by sweep in turn, so that whatever else the machine does meets all; returns the goal too."""
    running = [Running(engine, *rest) for engine in engines]
    ours, goal = running[0], -np.inf
    for number in range(max(engine.sweeps for engine in engines)):
        slower = [one for one in running[1:] if number < one.engine.sweeps and one.reached(goal) is None]
        if number >= SWEEPS and not slower:
            break
        for one in (ours, *slower):
            one.sweep()
        if number == SWEEPS - 1:
            goal = ours.losses[-1]
    for one in running:
        one.stop()
    return running, goal


def compare(report: Report, folder: Path, size: str, factors: int, threads: int, peers: list[str]) -> None:
    for objective in ("ours", "implicit's"):
        wanted = [e for e in ENGINES if e.objective == objective and e.name in ("kernel", *peers)]
        note(f"{size}: {', '.join(engine.name for engine in wanted)}; the objective is {objective}")
        running, goal = race(wanted, folder, size, factors, threads)
        ours = min(running[0].seconds) * SWEEPS
        for one in running:
            reached = one.reached(goal)
            ratio = min(one.seconds) * (reached or one.engine.sweeps) / ours
            report.add(
                size=size, k=factors, objective=objective, engine=one.engine.name,
                seconds_a_sweep=min(one.seconds), median=float(np.median(one.seconds)),
                sweeps=str(reached or f"> {one.engine.sweeps}"), peak_mb=round(one.peak),
                times_ours=round(ratio, 2),
            )  # fmt: skip
            if one.engine.name == "implicit CG":
                bar = BARS[has_wide_vectors()] if size == "20M" else OTHER_BAR
                report.at_least(
                    f"times as fast as implicit CG at equal loss, {size}, k={factors}", ratio, bar
                )
        report.at_most(
            f"peak memory in MB, {size}, k={factors}, objective {objective}", running[0].peak, 1000
        )


def has_wide_vectors() -> bool:
    return bool(get_host_cpu_features().get("avx512f"))


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

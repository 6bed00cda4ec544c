"""One recommendation: fold the user in, exact top 10 with rated ones out, beside two other ways.

One user at a time, as a request comes: 30 or 200 rated movies, random factors, one BLAS thread. "numpy" is
the same arithmetic without the Gram eigenbasis and with a full sort; "implicit" is its `recommend` with
`recalculate_user`; "blend" is ours with item weights as large as a rebuild makes them.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from app.recommender.interactions import confidence
from app.recommender.item_weights import ItemWeights
from app.recommender.model import Model, Objective
from app.recommender.ranking import rank, worth
from benchmarks.report import Report, arguments

MOVIES = (10_000, 27_000, 87_000)
FACTORS = 64
LIMIT = 10
WIDTH = 200
UNOBSERVED = 0.2
Profile = tuple[NDArray[np.int64], NDArray[np.float32]]


def model_of(movies: int) -> Model:
    random = np.random.default_rng(0)
    factors = random.standard_normal((movies, FACTORS)) * random.exponential(0.1, FACTORS)
    support = random.zipf(1.5, movies).clip(2, 10_000)
    objective = Objective(UNOBSERVED, user_offset=UNOBSERVED * movies)
    return Model.rotated(
        np.arange(movies) * 3, factors, np.eye(FACTORS), support, support, objective, settings={}
    )


def ours(model: Model) -> Callable[[Profile], Any]:
    def ask(profile: Profile) -> Any:
        return rank(model, *profile, np.zeros(len(profile[0]), np.int64), limit=LIMIT).movie_ids

    return ask


def blended(model: Model) -> Model:
    """With random item weights: 200 of each of the 8,000 most rated movies."""
    random = np.random.default_rng(1)
    rows = np.sort(model.popular[:8_000])
    starts = random.integers(0, len(rows), (len(rows), 1))
    steps = 1 + np.arange(WIDTH) * (len(rows) // WIDTH)
    columns = np.sort((starts + steps) % len(rows), axis=1).astype(np.int32)
    values = random.standard_normal((len(rows), WIDTH), np.float32) / np.float32(50)
    return replace(model, items=ItemWeights(model.movie_ids[rows], columns, values))


def plain(model: Model) -> Callable[[Profile], Any]:
    dense = (model.factors.T @ model.factors).astype(np.float32)
    objective = model.objective

    def ask(profile: Profile) -> Any:
        rows = np.searchsorted(model.movie_ids, profile[0])
        near, weights = model.factors[rows], confidence(profile[1])
        penalty = objective.regularization * (np.count_nonzero(weights) + objective.user_offset)
        matrix = (
            objective.unobserved * dense + (near.T * weights) @ near + penalty * np.eye(FACTORS, dtype="f4")
        )
        worths = worth(model, model.factors @ np.linalg.solve(matrix, weights @ near))
        worths[rows] = -np.inf
        return model.movie_ids[np.argsort(-worths)[:LIMIT]]

    return ask


def implicit(model: Model) -> Callable[[Profile], Any]:
    from implicit.cpu.als import AlternatingLeastSquares

    peer = AlternatingLeastSquares(factors=FACTORS, regularization=1.0, num_threads=1)
    peer.item_factors, peer.user_factors = model.factors, np.zeros((1, FACTORS), np.float32)

    def ask(profile: Profile) -> Any:
        rows = np.searchsorted(model.movie_ids, profile[0])
        data = 1 + confidence(profile[1]) / np.float32(UNOBSERVED)
        row = csr_matrix((data, rows, [0, len(rows)]), shape=(1, len(model.movie_ids)))
        found, _ = peer.recommend(0, row, N=LIMIT, recalculate_user=True)
        return model.movie_ids[found]

    return ask


def profiles(model: Model, rated: int, number: int) -> list[Profile]:
    random = np.random.default_rng(rated)
    chance = model.counts / model.counts.sum()
    made = []
    for _ in range(number):
        rows = np.sort(random.choice(len(chance), rated, replace=False, p=chance))
        scores = random.integers(4, 11, rated) / 2
        made.append((model.movie_ids[rows], scores.astype(np.float32)))
    return made


def timed(ask: Callable[[Profile], Any], asked: list[Profile]) -> NDArray[np.float64]:
    """Microseconds of each, after a warm-up."""
    for profile in asked[:20]:
        ask(profile)
    taken = []
    for profile in asked:
        began = time.perf_counter()
        ask(profile)
        taken.append(1e6 * (time.perf_counter() - began))
    return np.array(taken)


def explanation_error(model: Model, asked: list[Profile]) -> float:
    """The largest difference between a preference and the sum of its contributions."""
    worst = 0.0
    for profile in asked:
        targets = model.movie_ids[:50]
        sums = model.contributions(*profile, targets).sum(1)
        worst = max(worst, float(np.abs(sums - model.preferences(*profile)[:50]).max()))
    return worst


def compare(report: Report, repeats: int) -> None:
    error = 0.0
    for movies in MOVIES:
        model = model_of(movies)
        blend = blended(model)
        engines = {
            "blend": ours(blend),
            "matinee": ours(model),
            "numpy": plain(model),
            "implicit": implicit(model),
        }
        for rated in (30, 200):
            asked = profiles(model, rated, repeats)
            assert [*engines["matinee"](asked[0])] == [*engines["numpy"](asked[0])]
            p50 = {}
            for name, ask in engines.items():
                taken = timed(ask, asked)
                p50[name], p99 = np.percentile(taken, [50, 99]).tolist()
                report.add(
                    movies=movies, rated=rated, engine=name, p50_us=round(p50[name]), p99_us=round(p99)
                )
            report.at_most(
                f"p50 over implicit's, {movies} movies, {rated} rated", p50["matinee"] / p50["implicit"], 1.1
            )
            if movies == 27_000:
                ratio = p50["blend"] / p50["matinee"]
                report.at_most(f"p50 of the blend over the factors alone, {rated} rated", ratio, 1.3)
            error = max(error, *(explanation_error(each, asked[:20]) for each in (model, blend)))
    report.at_most("contributions less preference, at most", error, 1e-5)


def main() -> int:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1000)
    options = parser.parse_args()
    report = Report("serve")
    with threadpool_limits(1, user_api="blas"):
        compare(report, options.repeats)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

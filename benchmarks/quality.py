"""Recommendations for users that no model has seen: this one beside its peers, on the same splits.

A tenth of the users (at most 1,000) are held out; 80% of the ratings of each are folded in, and those of 4
and up among the rest are looked for. All models get the same weights. Peers with settings are tuned on the
very users that they are measured on, which flatters them; ours runs with its defaults.

Of up to 2,000 users each is held out once, in ten folds, and the peers are EASE and the factors alone; of
more, in three seeds. `--protocol liang` is the other protocol that is in use (`benchmarks.liang`).
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from app.recommender.als import DEFAULTS
from app.recommender.evaluation import (
    Evaluation,
    HeldOut,
    Predict,
    evaluate,
    evaluate_popularity,
    measure,
    split,
)
from app.recommender.interactions import Interactions, confidence
from app.recommender.item_training import ItemSettings, LeftOut, train_items
from app.recommender.model import Model, Objective
from app.recommender.training import factors_for, products_for, trainer_for
from app.serving.gate import decide, paired_interval
from benchmarks import synthetic
from benchmarks.report import Report, arguments, note

SEEDS, FOLDS = 3, 10
FOLDED = 2_000
"""Users up to which each is held out in one of the folds."""
PENALTIES = (50.0, 150.0, 500.0)
MOST_MOVIES = 12_000  # a dense matrix of all pairs of movies has to fit
Floats = NDArray[np.float32]


def movielens(folder: Path) -> Interactions:
    """ratings.csv (latest, 20M, 25M, 32M) or ratings.dat (1M, 10M) of a MovieLens folder."""
    path = folder / "ratings.csv"
    if not path.exists():
        path = folder / "ratings.dat"
    lines = path.read_text().replace("::", ",").splitlines()
    columns = np.loadtxt(lines[not lines[0][0].isdigit() :], delimiter=",", usecols=(0, 1, 2))
    return Interactions.from_arrays(
        columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64), columns[:, 2]
    )


def trained(training: Interactions) -> tuple[Model, Model]:
    """The model as a rebuild makes it, and its factors alone."""
    settings = replace(DEFAULTS, factors=factors_for(len(training)))
    model = trainer_for(len(training))(training, settings)
    try:
        items, _ = train_items(training, ItemSettings(), products_for(len(training)))
    except LeftOut as reason:
        note(f"without item weights: {reason}")
        return model, model
    return replace(model, items=items), model


def table_of(training: Interactions) -> Any:
    """The weights as a sparse matrix X [U, M]."""
    weights = training.confidences()
    shape = (weights.rows, weights.columns)
    return sparse.csr_matrix((weights.values, weights.indices, weights.indptr), shape)


def pairs(training: Interactions) -> Floats:
    """X'X, [M, M], of the weights."""
    table = table_of(training)
    return np.asarray((table.T @ table).todense(), np.float32)


def linear(model: Model, weights: NDArray[Any]) -> Predict:
    """Scores x B for an item-item matrix [M, M]."""

    def predict(ids: NDArray[np.int64], scores: Floats) -> Floats:
        return np.asarray(confidence(scores) @ weights[model.rows(ids)], np.float32)

    return predict


def item_knn(model: Model, products: Floats) -> Iterable[tuple[str, Predict]]:
    """Cosine of the weighted columns, shrunk, from the nearest neighbours only."""
    norms = np.sqrt(np.diag(products))
    for shrink in (0.0, 10.0, 50.0):
        likeness = products / (np.outer(norms, norms) + np.float32(shrink + 1e-9))
        np.fill_diagonal(likeness, 0)
        near = min(200, len(likeness) - 1)
        least = np.partition(likeness, -near, axis=0)[-near]
        likeness[likeness < least] = 0
        yield f"shrink={shrink:g}", linear(model, likeness)


def ease_by_users(model: Model, training: Interactions) -> Iterable[tuple[str, Predict]]:
    """The same as `ease`, through a matrix of all pairs of users (Woodbury), where those are fewer."""
    table = table_of(training)
    for penalty in PENALTIES:
        inverse = linalg.inv((table @ table.T).toarray().astype(float) + penalty * np.eye(table.shape[0]))
        turned = inverse @ table  # [U, M]
        diagonal = 1 - np.asarray(table.multiply(turned).sum(0))[0]

        def predict(
            ids: NDArray[np.int64], scores: Floats, turned: Any = turned, diagonal: Any = diagonal
        ) -> NDArray[np.float32]:
            user = np.zeros(len(model.movie_ids))
            user[model.rows(ids)] = confidence(scores)
            return np.asarray(user - (user - (table @ user) @ turned) / diagonal, np.float32)

        yield f"lambda={penalty:g}", predict


def ease(model: Model, products: Floats) -> Iterable[tuple[str, Predict]]:
    """Steck 2019: B = I - P / diag(P), P = (X'X + lambda I)^-1."""
    for penalty in PENALTIES:
        inverse = products + np.float32(penalty) * np.eye(len(products), dtype=np.float32)
        inverse = linalg.inv(inverse, overwrite_a=True, check_finite=False)
        inverse /= -np.diag(inverse).copy()
        np.fill_diagonal(inverse, 0)
        yield f"lambda={penalty:g}", linear(model, inverse)


def implicit(training: Interactions) -> Iterable[tuple[str, Model]]:
    """implicit's ALS with the same weights; its item factors are served like ours."""
    from implicit.cpu.als import AlternatingLeastSquares

    weights = training.confidences()
    shape = (weights.rows, weights.columns)
    for unobserved in (0.05, 0.1, 0.2):
        data = sparse.csr_matrix((1 + weights.values / unobserved, weights.indices, weights.indptr), shape)
        for penalty in (1.0, 3.0, 10.0, 30.0):
            peer = AlternatingLeastSquares(factors=64, regularization=penalty, random_state=0)
            peer.fit(data, show_progress=False)
            objective = Objective(unobserved, unobserved * penalty, exponent=0.0, linear=unobserved)
            ones = np.ones(shape[1], np.int32)
            name = f"alpha={1 / unobserved:g}, regularization={penalty:g}"
            gram = np.eye(64)
            yield name, Model.rotated(training.movie_ids, peer.item_factors, gram, ones, ones, objective, {})


def best(found: Iterable[tuple[str, Evaluation]]) -> tuple[str, Evaluation]:
    return max(found, key=lambda item: item[1].ndcg)


def one_fold(interactions: Interactions, fold: int) -> dict[str, tuple[str, Evaluation]]:
    """The model, its halves and the popular list on one tenth of the users."""
    training, held_out = split(interactions, 0, -(-len(interactions.user_ids) // FOLDS), fold)
    model, factors = trained(training)
    note(f"fold {fold}: {len(training)} ratings to train on, {len(held_out.folded.user_ids)} users held out")
    return {
        "popularity": ("", evaluate_popularity(model, held_out)),
        "EASE": best(_measured(ease_by_users(model, training), held_out, model)),
        "factors alone": ("defaults", evaluate(factors, held_out)),
        "matinee": ("defaults", evaluate(model, held_out)),
    }


def one_seed(interactions: Interactions, seed: int) -> dict[str, tuple[str, Evaluation]]:
    """Every model on one split: its settings and how it did."""
    chosen = min(len(interactions.user_ids) // 10, 1000)
    training, held_out = split(interactions, seed, chosen)
    model, factors = trained(training)
    note(f"seed {seed}: {len(training)} ratings to train on, {chosen} users held out")
    found = {"popularity": ("", evaluate_popularity(model, held_out))}
    if len(model.movie_ids) <= MOST_MOVIES:
        products = pairs(training)
        for name, peer in (("ItemKNN", item_knn), ("EASE", ease)):
            found[name] = best(_measured(peer(model, products), held_out, model))
    found["implicit, tuned"] = best(
        (name, measure(held_out, model, _folding(peer))) for name, peer in implicit(training)
    )
    found["factors alone"] = ("defaults", evaluate(factors, held_out))
    found["matinee"] = ("defaults", evaluate(model, held_out))
    return found


def shuffled_is_refused(interactions: Interactions) -> tuple[bool, str]:
    """The gate's answer to a model of the same ratings, each given to a random movie."""
    training, held_out = split(interactions)
    table = training.scores
    movies = np.random.default_rng(0).permutation(training.movie_ids[table.indices])
    users = training.user_ids[table.row_numbers()]
    noise = Interactions.from_arrays(users, movies, table.values)
    model = trainer_for(len(training))(training, DEFAULTS)
    broken = trainer_for(len(noise))(noise, DEFAULTS)
    decision = decide(
        evaluate(broken, held_out), evaluate_popularity(model, held_out), evaluate(model, held_out)
    )
    return not decision.promoted, decision.reason


def compare(report: Report, interactions: Interactions) -> None:
    in_folds = len(interactions.user_ids) <= FOLDED
    one, number = (one_fold, FOLDS) if in_folds else (one_seed, SEEDS)
    found = [one(interactions, part) for part in range(number)]
    together = {name: _pooled([seed[name][1] for seed in found]) for name in found[0]}
    ours = together["matinee"]
    for name, evaluation in together.items():
        low, high = paired_interval(ours, evaluation)
        report.add(
            model=name, ndcg_at_100=evaluation.ndcg, recall_at_20=evaluation.recall,
            coverage_at_10=evaluation.coverage, users=len(evaluation.user_ids),
            ours_less_this="" if name == "matinee" else f"{low:+.4f} to {high:+.4f}",
            settings="; ".join(dict.fromkeys(seed[name][0] for seed in found)),
        )  # fmt: skip
    report.at_least("against popularity, low end", paired_interval(ours, together["popularity"])[0], 0)
    for name in ("factors alone", "implicit, tuned", "EASE"):
        if name in together:
            least = -0.005 if in_folds and name == "EASE" else 0
            report.at_least(f"against {name}, low end", paired_interval(ours, together[name])[0], least)
    refused, reason = shuffled_is_refused(interactions)
    note(reason)
    report.at_least("a model of shuffled ratings is refused", float(refused), 1)


def _measured(
    peers: Iterable[tuple[str, Predict]], held_out: HeldOut, model: Model
) -> Iterable[tuple[str, Evaluation]]:
    return ((name, measure(held_out, model, predict)) for name, predict in peers)


def _folding(model: Model) -> Callable[[Any, Any], Floats]:
    return model.preferences


def _pooled(parts: list[Evaluation]) -> Evaluation:
    """The users of all seeds; means of the rest."""
    ndcg = np.concatenate([part.user_ndcg for part in parts])
    users = np.concatenate([part.user_ids for part in parts])
    recall, coverage = (float(np.mean([getattr(p, name) for p in parts])) for name in ("recall", "coverage"))
    return Evaluation(users, ndcg, float(ndcg.mean()), recall, coverage)


def main() -> int:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a MovieLens folder; default: generated ratings")
    parser.add_argument("--size", choices=synthetic.SHAPES, default="100k", help="of generated ratings")
    parser.add_argument("--protocol", choices=("ours", "liang"), default="ours")
    options = parser.parse_args()
    report = Report("quality")
    if options.protocol == "liang":
        from benchmarks import liang

        liang.compare(report, options.data, options.size)
    else:
        compare(report, movielens(options.data) if options.data else synthetic.generate(options.size))
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

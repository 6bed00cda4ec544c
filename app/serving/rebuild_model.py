"""Rebuild the model from every rating: train, evaluate, publish."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from app.process import return_memory
from app.recommender import als, evaluation
from app.recommender.interactions import Interactions
from app.recommender.item_training import ItemSettings, LeftOut, train_items
from app.recommender.item_weights import ItemWeights, rows_of
from app.recommender.model import Model
from app.recommender.training import FACTORS, factors_for, products_for, trainer_for
from app.repository import models, ratings
from app.serving import publication
from app.serving.model_store import ModelStore
from app.serving.publication import Moment, clear, incumbent, judge, saved, serve
from app.spark.trainer import SparkTrainer
from app.storage import Database
from app.tasks.attempt import Attempt
from app.threads import at_once

USERS_AT_ONCE = 500
FIRST_FROM = 500_000
"""Ratings of large data: its first model is of factors alone, and the whole one is the next version."""
REUSED = 0.05
"""Changed ratings, as a share of all, with which item weights serve again and factors need few sweeps."""
FIRST_SWEEPS, SWEEPS_AGAIN = 5, 2
"""For the first model of large data, and from the factors of nearly the same ratings."""
SMALL_CATALOGUE = 3.0
"""Over the number of movies, the least regularisation. With 60 movies, lambda .006 puts 63% of what the
bundled sample's users should like into their top 5, .05 93%; from 500 movies up the setting decides."""
Part = tuple[Any, Any, Any]
"""Users, movies and scores of some ratings."""


def run(attempt: Attempt) -> None:
    """Complete with the version that was built, how good it is and whether it is served."""
    publication.run(attempt, _build)


def _build(attempt: Attempt, store: ModelStore) -> dict[str, Any]:
    """Build a model and save it; returns the checkpoint: what is left to do is to publish and to serve it."""
    if is_spark := attempt.settings.trainer == "spark":
        _spark(attempt).check()
    moment = Moment.of(attempt)
    interactions = read_ratings(attempt)
    read = {"ratings": len(interactions), "users": len(interactions.user_ids)}
    training, held_out = evaluation.split(interactions)
    del interactions  # as large as what it was split into
    return_memory()
    wanted, sweeps = factors_for(len(training), attempt.settings.factors), attempt.settings.sweeps
    if moment.is_first and not is_spark and len(training) >= FIRST_FROM:
        factors = _train(attempt, training, None, min(wanted, FACTORS), min(FIRST_SWEEPS, sweeps))
        served = _serve_first(attempt, store, factors, held_out, moment, read)
        if factors.factors.shape[1] == wanted:
            sweeps -= FIRST_SWEEPS
        if sweeps > 0:
            factors = _train(attempt, training, factors, wanted, sweeps)
    else:
        served = incumbent(attempt, store, moment.forgotten)
        if served and served.factors.shape[1] == wanted and _are_few(moment.changed, training):
            sweeps = min(SWEEPS_AGAIN, sweeps)
        factors = _train(attempt, training, served, wanted, sweeps)
    return_memory()
    model, left_out = with_items(attempt, training, factors, served, moment)
    del training, factors
    return publication.judged(attempt, store, model, held_out, served, moment, read, left_out)


def _serve_first(
    attempt: Attempt,
    store: ModelStore,
    model: Model,
    held_out: evaluation.HeldOut,
    moment: Moment,
    read: dict[str, int],
) -> Model | None:
    """Serve the factors alone while the whole model is built, if they pass the gate; the version, or None."""
    attempt.report(phase="evaluate", done=0, total=None, unit=None)
    decision, summary = judge(attempt, model, held_out, None)
    if not decision.promoted:
        return None
    reason = f"{decision.reason} It is of the factors alone; the whole model follows."
    report = {"promoted": True, "reason": reason, "evaluation": summary} | read
    row = saved(attempt, store, model, moment, report)
    store.share(row["checksum"])
    with attempt.transaction(message=reason) as connection:
        version = models.add(connection, **row, created_at=attempt.clock())
        gone, kept = serve(connection, version, moment.newest_rater)
    store.announce(version)
    store.keep(row["checksum"])
    clear(store, gone, kept)
    return replace(model, version=version)


def read_ratings(attempt: Attempt) -> Interactions:
    """Every rating, while the attempt reports; those of one user as they are at one moment."""
    with attempt.database.read() as connection:
        total = ratings.count(connection)
    attempt.report(phase="read", done=0, total=total, unit="ratings")

    def parts() -> Iterator[Part]:
        done = 0
        with closing(_parts(attempt.database, total)) as found:  # a cancel ends the thread that reads, too
            for part in found:
                yield part
                done += len(part[0])
                attempt.report(done=done)

    return Interactions.from_sorted(parts())


def _parts(database: Database, total: int) -> Generator[Part]:
    """The ratings by user and movie: many from two connections at once, where that helps, half from each."""

    def read(*users: int) -> Generator[Part]:
        with database.read() as connection:
            yield from ratings.columns(connection, USERS_AT_ONCE, *users)

    if total < FIRST_FROM or not database.reads_in_halves:
        return read()
    with database.read() as connection:
        half = ratings.user_at(connection, total // 2)
    return at_once(read(0, half - 1), read(half))


def _train(
    attempt: Attempt, training: Interactions, earlier: Model | None, factors: int, sweeps: int
) -> Model:
    """Train the factors, from those of an earlier model if there is one with as many or fewer."""
    wanted = attempt.settings
    settings = als.TrainSettings(
        factors=factors,
        sweeps=sweeps,
        regularization=max(wanted.regularization, SMALL_CATALOGUE / max(1, len(training.movie_ids))),
        unobserved=wanted.unobserved_weight,
    )
    if wanted.trainer == "spark":
        attempt.report(phase="train on Spark", done=0, total=2 * settings.sweeps, unit="half sweeps")
        return _spark(attempt)(
            training, settings, progress=lambda done, total: attempt.report(done=done, total=total)
        )
    start = earlier.start_for(training.movie_ids, factors) if earlier else None
    if start is not None:
        # A direction that is zero in every movie stays zero; a little of everything keeps all of them open.
        start = start + als.first_factors(len(training.movie_ids), settings)
    attempt.report(phase="train", done=0, total=2 * settings.sweeps, unit="half sweeps")
    return trainer_for(len(training), wanted.train_threads or None)(
        training,
        settings,
        start=start,
        progress=lambda done, total: attempt.report(done=done, total=total),
    )


def _spark(attempt: Attempt) -> SparkTrainer:
    settings = attempt.settings
    return SparkTrainer(settings.spark, attempt.directory / "spark", settings.train_threads or None)


def with_items(
    attempt: Attempt, training: Interactions, model: Model, served: Model | None, moment: Moment
) -> tuple[Model, str]:
    """The model with item weights, or as it is and why. They may be those of the model being served."""
    memory = attempt.settings.item_memory
    if served and served.items:
        made = served.settings["items"]
        if _are_fresh(served.items, made, training, memory, moment):
            return replace(model, items=served.items, settings={**model.settings, "items": made}), ""
    threads = attempt.settings.train_threads or None
    attempt.report(phase="weigh pairs", done=0, total=None, unit="tiles")
    try:
        items, made = train_items(
            training,
            ItemSettings(memory=memory * 1_000_000),
            products_for(len(training), threads),
            threads=threads,
            progress=lambda done, total: attempt.report(done=done, total=total),
        )
    except LeftOut as reason:
        text = f"Without item weights: {reason}."
        return replace(model, settings={**model.settings, "items": str(reason)}), text
    made |= {"memory": memory}
    if len(training) >= FIRST_FROM:  # their age, by which a later rebuild judges whether they may serve again
        made |= {"rating_changes": moment.changes}
    return replace(model, items=items, settings={**model.settings, "items": made}), ""


def _are_fresh(
    items: ItemWeights, made: Mapping[str, Any], training: Interactions, memory: int, moment: Moment
) -> bool:
    """Whether item weights of large data may serve again: few ratings have changed, no movie is gone."""
    if made.get("memory") != memory or not _are_few(moment.changes - made.get("rating_changes", 0), training):
        return False
    return bool((rows_of(training.movie_ids, items.movie_ids) >= 0).all())


def _are_few(changed: int, training: Interactions) -> bool:
    return len(training) >= FIRST_FROM and changed <= REUSED * len(training)

"""Rebuild the model from every rating: train, evaluate, publish."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine import Connection

from app.recommender import als, evaluation
from app.recommender.interactions import Interactions
from app.recommender.item_training import ItemSettings, LeftOut, train_items
from app.recommender.item_weights import ItemWeights, rows_of
from app.recommender.model import Model
from app.recommender.training import FACTORS, factors_for, products_for, trainer_for
from app.repository import models, ratings
from app.serving import gate
from app.serving.model_file import CorruptModel
from app.serving.model_store import ModelStore
from app.tasks.attempt import Attempt

USERS_AT_ONCE = 500
LARGE, ANNOUNCED = 2_000, 0.5
"""A model of so many movies is there for so many seconds before it is served: API processes that are being
asked read it meanwhile, and no request has to wait for that."""
FIRST_FROM = 500_000
"""Ratings of large data: its first model is of factors alone, and the whole one is the next version."""
REUSED = 0.05
"""Changed ratings, as a share of all, with which item weights serve again and factors need few sweeps."""
SWEEPS_AGAIN = 3
"""From the factors of nearly the same ratings."""
SMALL_CATALOGUE = 3.0
"""Over the number of movies, the least regularisation. With 60 movies, lambda .006 puts 63% of what the
bundled sample's users should like into their top 5, .05 93%; from 500 movies up the setting decides."""

log = logging.getLogger("matinee.rebuild")


@dataclass(frozen=True)
class _Moment:
    """What was so when the ratings were read: what comes from then on counts for the next model."""

    changes: int  # of ratings, ever
    changed: int  # of these since the ratings of the model being served were read
    newest_rater: int
    forgotten: int


def run(attempt: Attempt) -> None:
    """Complete with the version that was built, how good it is and whether it is served."""
    store, built = ModelStore.of(attempt.settings), attempt.task.checkpoint
    if built is None or not ("version" in built["result"] or store.has(built["row"]["checksum"])):
        with attempt.database.busy():
            built = _build(attempt, store)
    result = built["result"]
    if "version" not in result:
        store.share(built["row"]["checksum"])  # before its version is there, for others to read it ahead
        _add(attempt, store, built)
    gone, kept = set[str](), set[str]()
    with attempt.transaction(result=result, phase=None) as connection:
        if result["promoted"]:
            gone, kept = _serve(connection, result["version"], built["newest_rater"])
    if result["promoted"]:
        store.keep(built["row"]["checksum"])
    _clear(store, gone, kept)


def _add(attempt: Attempt, store: ModelStore, built: dict[str, Any]) -> None:
    """Add the version, which is not served yet."""
    result = built["result"]
    with attempt.transaction(checkpoint=built) as connection:
        result["version"] = models.add(connection, **built["row"], created_at=attempt.clock())
    if result["promoted"]:
        store.announce(result["version"])
    if built["announced"]:
        time.sleep(ANNOUNCED)


def _serve(connection: Connection, version: int, newest_rater: int) -> tuple[set[str], set[str]]:
    """Make a version the active one; returns the checksums of the files that go with it, and that stay."""
    models.activate(connection, version)
    ratings.forget_first_raters(connection, up_to=newest_rater)
    return models.forget_before(connection, version), models.checksums(connection)


def _clear(store: ModelStore, gone: set[str], kept: set[str]) -> None:
    if gone:
        store.forget(gone)
        store.retain(kept)  # no other rebuild is under way: what else is there was left by one that failed


def _build(attempt: Attempt, store: ModelStore) -> dict[str, Any]:
    """Build a model and save it; returns the checkpoint: what is left to do is to publish and to serve it."""
    with attempt.database.read() as connection:
        active, changes = models.active(connection), ratings.changes(connection)
        before = models.get(connection, active.version).rating_changes if active else 0
        raters, forgotten = ratings.last_first_rater(connection), models.forgotten(connection)
        moment = _Moment(changes, changes - before, raters, forgotten)
    interactions = _read(attempt)
    read = {"ratings": len(interactions), "users": len(interactions.user_ids)}
    training, held_out = evaluation.split(interactions)
    del interactions  # as large as what it was split into
    wanted = factors_for(len(training), attempt.settings.factors)
    if active is None and len(training) >= FIRST_FROM:
        factors = _train(attempt, training, None, min(wanted, FACTORS), moment)
        served = _serve_first(attempt, store, factors, held_out, moment, read)
        if factors.factors.shape[1] < wanted:
            factors = _train(attempt, training, factors, wanted, moment)
    else:
        served = _incumbent(attempt, store, moment.forgotten)
        factors = _train(attempt, training, served, wanted, moment)
    model, left_out = _with_items(attempt, training, factors, served, moment)
    del training, factors
    attempt.report(phase="evaluate", done=0, total=None, unit=None)
    decision, summary = _judge(attempt, model, held_out, served)
    reason = " ".join(filter(None, (decision.reason, left_out)))
    report = {"promoted": decision.promoted, "reason": reason, "evaluation": summary} | read
    report["movies"] = len(model.movie_ids)
    row = _saved(attempt, store, model, moment, report)
    announced = served is not None and decision.promoted and len(model.movie_ids) >= LARGE
    checkpoint = {"row": row, "result": report, "newest_rater": moment.newest_rater, "announced": announced}
    with attempt.transaction(checkpoint=checkpoint, phase="publish", message=reason):
        pass
    return checkpoint


def _saved(
    attempt: Attempt, store: ModelStore, model: Model, moment: _Moment, report: dict[str, Any]
) -> dict[str, Any]:
    """Save the model; returns its row."""
    return report | {
        "movies": len(model.movie_ids),
        "task_id": attempt.task.id,
        "checksum": store.save(model),
        "settings": dict(model.settings),
        "rating_changes": moment.changes,
        "forgotten": moment.forgotten,
    }


def _serve_first(
    attempt: Attempt,
    store: ModelStore,
    model: Model,
    held_out: evaluation.HeldOut,
    moment: _Moment,
    read: dict[str, int],
) -> Model | None:
    """Serve the factors alone while the whole model is built, if they pass the gate; the version, or None."""
    attempt.report(phase="evaluate", done=0, total=None, unit=None)
    decision, summary = _judge(attempt, model, held_out, None)
    if not decision.promoted:
        return None
    reason = f"{decision.reason} It is of the factors alone; the whole model follows."
    report = {"promoted": True, "reason": reason, "evaluation": summary} | read
    row = _saved(attempt, store, model, moment, report)
    store.share(row["checksum"])
    with attempt.transaction(message=reason) as connection:
        version = models.add(connection, **row, created_at=attempt.clock())
        gone, kept = _serve(connection, version, moment.newest_rater)
    store.announce(version)
    store.keep(row["checksum"])
    _clear(store, gone, kept)
    return replace(model, version=version)


def _read(attempt: Attempt) -> Interactions:
    with attempt.database.read() as connection:
        total = ratings.count(connection)
    attempt.report(phase="read", done=0, total=total, unit="ratings")

    def parts() -> Iterator[tuple[Any, Any, Any]]:
        done = 0
        with attempt.database.read() as connection:
            for part in ratings.columns(connection, USERS_AT_ONCE):
                yield part
                done += len(part[0])
                attempt.report(done=done)

    return Interactions.from_sorted(parts())


def _train(
    attempt: Attempt, training: Interactions, earlier: Model | None, factors: int, moment: _Moment
) -> Model:
    """Train the factors, from those of an earlier model if there is one with as many or fewer."""
    wanted = attempt.settings
    settings = als.TrainSettings(
        factors=factors,
        sweeps=wanted.sweeps,
        regularization=max(wanted.regularization, SMALL_CATALOGUE / max(1, len(training.movie_ids))),
        unobserved=wanted.unobserved_weight,
    )
    start = earlier.start_for(training.movie_ids, factors) if earlier else None
    if start is not None:
        # A direction that is zero in every movie stays zero; a little of everything keeps all of them open.
        start = start + als.first_factors(len(training.movie_ids), settings)
        if earlier and earlier.factors.shape[1] == factors and _are_few(moment.changed, training):
            settings = replace(settings, sweeps=min(SWEEPS_AGAIN, settings.sweeps))
    attempt.report(phase="train", done=0, total=2 * settings.sweeps, unit="half sweeps")
    return trainer_for(len(training), wanted.train_threads or None)(
        training,
        settings,
        start=start,
        progress=lambda done, total: attempt.report(done=done, total=total),
    )


def _with_items(
    attempt: Attempt, training: Interactions, model: Model, served: Model | None, moment: _Moment
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
    items: ItemWeights, made: Mapping[str, Any], training: Interactions, memory: int, moment: _Moment
) -> bool:
    """Whether item weights of large data may serve again: few ratings have changed, no movie is gone."""
    if made.get("memory") != memory or not _are_few(moment.changes - made.get("rating_changes", 0), training):
        return False
    return bool((rows_of(training.movie_ids, items.movie_ids) >= 0).all())


def _are_few(changed: int, training: Interactions) -> bool:
    return len(training) >= FIRST_FROM and changed <= REUSED * len(training)


def _judge(
    attempt: Attempt, model: Model, held_out: evaluation.HeldOut, served: Model | None
) -> tuple[gate.Decision, dict[str, Any]]:
    """The new model, the popular list and the model being served, on the same held-out users."""
    candidate = evaluation.evaluate(model, held_out)
    popularity = evaluation.evaluate_popularity(model, held_out)
    summary = {"model": candidate.summary(), "popularity": popularity.summary()}
    incumbent = None
    if served is not None:
        incumbent = evaluation.evaluate(served, held_out)
        summary["incumbent"] = incumbent.summary() | {"version": served.version}
    return gate.decide(candidate, popularity, incumbent, attempt.settings.gate_margin), summary


def _incumbent(attempt: Attempt, store: ModelStore, forgotten: int) -> Model | None:
    """The model being served; None also if it saw people who are forgotten: nothing may come from it."""
    with attempt.database.read() as connection:
        active = models.active(connection)
        if active is None or models.get(connection, active.version).forgotten < forgotten:
            return None
    try:
        return store.load(active.checksum, version=active.version, created_at=active.created_at)
    except CorruptModel as error:
        log.warning("version %d is not compared: %s", active.version, error)
        return None

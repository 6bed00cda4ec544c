"""Rebuild the model from every rating: train, evaluate, publish."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.recommender import als, evaluation
from app.recommender.interactions import Interactions
from app.recommender.item_training import ItemSettings, LeftOut, train_items
from app.recommender.model import Model
from app.recommender.training import factors_for, products_for, trainer_for
from app.repository import models, ratings
from app.serving import gate
from app.serving.model_file import CorruptModel
from app.serving.model_store import ModelStore
from app.tasks.attempt import Attempt

USERS_AT_ONCE = 500
LARGE, ANNOUNCED = 2_000, 0.5
"""A model of so many movies is there for so many seconds before it is served: API processes that are being
asked read it meanwhile, and no request has to wait for that."""
SMALL_CATALOGUE = 3.0
"""Over the number of movies, the least regularisation. With 60 movies, lambda .006 puts 63% of what the
bundled sample's users should like into their top 5, .05 93%; from 500 movies up the setting decides."""

log = logging.getLogger("matinee.rebuild")


def run(attempt: Attempt) -> None:
    """Complete with the version that was built, how good it is and whether it is served."""
    store, built = ModelStore.of(attempt.settings), attempt.task.checkpoint
    if built is None or not ("version" in built["result"] or store.has(built["row"]["checksum"])):
        with attempt.database.busy():
            built = _build(attempt, store)
    result = built["result"]
    if "version" not in result:
        store.share(built["row"]["checksum"])  # before its version is there, for others to read it ahead
        _add(attempt, built)
    gone, kept = set[str](), set[str]()
    with attempt.transaction(result=result, phase=None) as connection:
        if result["promoted"]:
            models.activate(connection, result["version"])
            ratings.forget_first_raters(connection, up_to=built["newest_rater"])
            gone, kept = models.forget_before(connection, result["version"]), models.checksums(connection)
    if gone:
        store.forget(gone)
        store.retain(kept)  # no other rebuild is under way: what else is there was left by one that failed


def _add(attempt: Attempt, built: dict[str, Any]) -> None:
    """Add the version, which is not served yet."""
    result = built["result"]
    with attempt.transaction(checkpoint=built) as connection:
        result["version"] = models.add(connection, **built["row"], created_at=attempt.clock())
    if built["announced"]:
        time.sleep(ANNOUNCED)


def _build(attempt: Attempt, store: ModelStore) -> dict[str, Any]:
    """Build a model and save it; returns the checkpoint: what is left to do is to publish and to serve it."""
    with attempt.database.read() as connection:
        changes = ratings.changes(connection)  # what comes from here on counts for the next
        newest_rater = ratings.last_first_rater(connection)
        forgotten = models.forgotten(connection)
    interactions = _read(attempt)
    read = {"ratings": len(interactions), "users": len(interactions.user_ids)}
    training, held_out = evaluation.split(interactions)
    del interactions  # as large as what it was split into
    incumbent = _incumbent(attempt, store, forgotten)
    model, left_out = _with_items(attempt, training, _train(attempt, training, incumbent))
    del training
    attempt.report(phase="evaluate", done=0, total=None, unit=None)
    decision, summary = _judge(attempt, model, held_out, incumbent)
    reason = " ".join(filter(None, (decision.reason, left_out)))
    report = {"promoted": decision.promoted, "reason": reason, "evaluation": summary}
    report |= read | {"movies": len(model.movie_ids)}
    row = report | {
        "task_id": attempt.task.id,
        "checksum": store.save(model),
        "settings": dict(model.settings),
        "rating_changes": changes,
        "forgotten": forgotten,
    }
    announced = incumbent is not None and decision.promoted and len(model.movie_ids) >= LARGE
    checkpoint = {"row": row, "result": report, "newest_rater": newest_rater, "announced": announced}
    with attempt.transaction(checkpoint=checkpoint, phase="publish", message=reason):
        pass
    return checkpoint


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


def _train(attempt: Attempt, training: Interactions, incumbent: Model | None) -> Model:
    wanted = attempt.settings
    settings = als.TrainSettings(
        factors=factors_for(len(training), wanted.factors),
        sweeps=wanted.sweeps,
        regularization=max(wanted.regularization, SMALL_CATALOGUE / max(1, len(training.movie_ids))),
        unobserved=wanted.unobserved_weight,
    )
    start = incumbent.start_for(training.movie_ids, settings.factors) if incumbent else None
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


def _with_items(attempt: Attempt, training: Interactions, model: Model) -> tuple[Model, str]:
    """The model with item weights, or as it is and why."""
    threads = attempt.settings.train_threads or None
    attempt.report(phase="weigh pairs", done=0, total=None, unit="tiles")
    try:
        items, made = train_items(
            training,
            ItemSettings(memory=attempt.settings.item_memory * 1_000_000),
            products_for(len(training), threads),
            threads=threads,
            progress=lambda done, total: attempt.report(done=done, total=total),
        )
    except LeftOut as reason:
        text = f"Without item weights: {reason}."
        return replace(model, settings={**model.settings, "items": str(reason)}), text
    return replace(model, items=items, settings={**model.settings, "items": made}), ""


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

"""Rebuild the model from every rating: train, evaluate, publish."""

from typing import Any

import numpy as np

from app.recommender import als, evaluation, gate
from app.recommender.interactions import Interactions
from app.recommender.model import Model
from app.recommender.store import ModelStore
from app.repository import models, ratings
from app.tasks.attempt import Attempt

READ_AT_ONCE = 50_000


def run(attempt: Attempt) -> None:
    """Complete with the version that was built, how good it is and whether it is served."""
    interactions = _read(attempt)
    training, held_out = evaluation.split(interactions)
    model = _train(attempt, training)
    attempt.report(phase="evaluate", done=0, total=None, unit=None)
    decision, summary = _judge(model, held_out)
    checksum = ModelStore(attempt.settings.models_dir).save(model)
    row = {
        "task_id": attempt.task.id,
        "checksum": checksum,
        "promoted": decision.promoted,
        "reason": decision.reason,
        "settings": dict(model.settings),
        "evaluation": summary,
        "ratings": len(interactions),
        "users": len(interactions.user_ids),
        "movies": len(model.movie_ids),
    }
    result = {name: row[name] for name in ("promoted", "reason", "evaluation", "ratings", "users", "movies")}
    with attempt.transaction(result=result, phase=None, message=decision.reason) as connection:
        result["version"] = models.add(connection, **row, created_at=attempt.clock())


def _read(attempt: Attempt) -> Interactions:
    with attempt.database.read() as connection:
        total = ratings.count(connection)
    attempt.report(phase="read", done=0, total=total, unit="ratings")
    parts = [np.empty(0, ratings.COLUMNS)]
    done = 0
    with attempt.database.read() as connection:
        for part in ratings.columns(connection, READ_AT_ONCE):
            parts.append(part)
            done += len(part)
            attempt.report(done=done)
    table = np.concatenate(parts)
    return Interactions.from_arrays(table["user_id"], table["movie_id"], table["score"])


def _train(attempt: Attempt, training: Interactions) -> Model:
    settings = als.TrainSettings(
        factors=attempt.settings.factors,
        sweeps=attempt.settings.sweeps,
        regularization=attempt.settings.regularization,
        unobserved=attempt.settings.unobserved_weight,
    )
    attempt.report(phase="train", done=0, total=2 * settings.sweeps, unit="half sweeps")
    return als.train(training, settings, progress=lambda done, total: attempt.report(done=done, total=total))


def _judge(model: Model, held_out: evaluation.HeldOut | None) -> tuple[gate.Decision, dict[str, Any]]:
    if held_out is None:
        return gate.decide(None, None), {}
    candidate = evaluation.evaluate(model, held_out)
    popularity = evaluation.evaluate_popularity(model, held_out)
    summary = {"model": candidate.summary(), "popularity": popularity.summary()}
    return gate.decide(candidate, popularity), summary

"""From a trained model to a version that is served: judged, saved, added, and made the active one."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from app.recommender import evaluation
from app.recommender.model import Model
from app.repository import models, ratings
from app.serving import gate
from app.serving.model_file import CorruptModel
from app.serving.model_store import ModelStore
from app.tasks.attempt import Attempt

LARGE, ANNOUNCED = 2_000, 0.5
"""A model of so many movies is there for so many seconds before it is served: API processes that are being
asked read it meanwhile, and no request has to wait for that."""

log = logging.getLogger("matinee.rebuild")

Checkpoint = dict[str, Any]


@dataclass(frozen=True)
class Moment:
    """What was so when the ratings were read: what comes from then on counts for the next model."""

    changes: int  # of ratings, ever
    changed: int  # of these since the ratings of the model being served were read
    newest_rater: int
    forgotten: int
    is_first: bool  # no model is served

    @classmethod
    def of(cls, attempt: Attempt) -> "Moment":
        with attempt.database.read() as connection:
            active, changes = models.active(connection), ratings.changes(connection)
            before = models.get(connection, active.version).rating_changes if active else 0
            raters, forgotten = ratings.last_first_rater(connection), models.forgotten(connection)
        return cls(changes, changes - before, raters, forgotten, active is None)


def run(attempt: Attempt, build: Callable[[Attempt, ModelStore], Checkpoint]) -> None:
    """Build a model unless the checkpoint has one, then publish it, and serve it if it passed the gate."""
    store, built = ModelStore.of(attempt.settings), attempt.task.checkpoint
    if built is None or not ("version" in built["result"] or store.has(built["row"]["checksum"])):
        with attempt.database.busy():
            built = build(attempt, store)
    result = built["result"]
    if "version" not in result:
        store.share(built["row"]["checksum"])  # before its version is there, for others to read it ahead
        _add(attempt, store, built)
    gone, kept = set[str](), set[str]()
    with attempt.transaction(result=result, phase=None) as connection:
        if result["promoted"]:
            gone, kept = serve(connection, result["version"], built["newest_rater"])
    if result["promoted"]:
        store.keep(built["row"]["checksum"])
    clear(store, gone, kept)


def _add(attempt: Attempt, store: ModelStore, built: Checkpoint) -> None:
    """Add the version, which is not served yet."""
    result = built["result"]
    with attempt.transaction(checkpoint=built) as connection:
        result["version"] = models.add(connection, **built["row"], created_at=attempt.clock())
    if result["promoted"]:
        store.announce(result["version"])
    if built["announced"]:
        time.sleep(ANNOUNCED)


def serve(connection: Connection, version: int, newest_rater: int) -> tuple[set[str], set[str]]:
    """Make a version the active one; returns the checksums of the files that go with it, and that stay."""
    models.activate(connection, version)
    ratings.forget_first_raters(connection, up_to=newest_rater)
    return models.forget_before(connection, version), models.checksums(connection)


def clear(store: ModelStore, gone: set[str], kept: set[str]) -> None:
    """Delete the files that `serve` said, once that is committed."""
    if gone:
        store.forget(gone)
        store.retain(kept)  # no other rebuild is under way: what else is there was left by one that failed


def judged(
    attempt: Attempt,
    store: ModelStore,
    model: Model,
    held_out: evaluation.HeldOut,
    served: Model | None,
    moment: Moment,
    read: dict[str, int],
    remark: str,
) -> Checkpoint:
    """Judge and save a model; returns the checkpoint: what is left to do is to publish and to serve it.

    `read`: the ratings and users that it is judged by; `remark`: what the reason is to say beside.
    """
    attempt.report(phase="evaluate", done=0, total=None, unit=None)
    decision, summary = judge(attempt, model, held_out, served)
    reason = " ".join(filter(None, (decision.reason, remark)))
    report = {"promoted": decision.promoted, "reason": reason, "evaluation": summary} | read
    report["movies"] = len(model.movie_ids)
    row = saved(attempt, store, model, moment, report)
    announced = served is not None and decision.promoted and len(model.movie_ids) >= LARGE
    checkpoint = {"row": row, "result": report, "newest_rater": moment.newest_rater, "announced": announced}
    with attempt.transaction(checkpoint=checkpoint, phase="publish", message=reason):
        pass
    return checkpoint


def saved(
    attempt: Attempt, store: ModelStore, model: Model, moment: Moment, report: dict[str, Any]
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


def judge(
    attempt: Attempt, model: Model, held_out: evaluation.HeldOut, served: Model | None
) -> tuple[gate.Decision, dict[str, Any]]:
    """The new model, the popular list and the model being served, on the same held-out users."""
    threads = attempt.settings.train_threads or os.cpu_count() or 1
    candidate = evaluation.evaluate(model, held_out, threads)
    popularity = evaluation.evaluate_popularity(model, held_out, threads)
    summary = {"model": candidate.summary(), "popularity": popularity.summary()}
    earlier = None
    if served is not None:
        earlier = evaluation.evaluate(served, held_out, threads)
        summary["incumbent"] = earlier.summary() | {"version": served.version}
    return gate.decide(candidate, popularity, earlier, attempt.settings.gate_margin), summary


def incumbent(attempt: Attempt, store: ModelStore, forgotten: int) -> Model | None:
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

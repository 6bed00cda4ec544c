"""Make a version of movie factors that were trained elsewhere: judged and published as any other."""

import shutil
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app.config import Settings
from app.errors import Invalid
from app.recommender import evaluation
from app.recommender.adoption import adopt
from app.serving import factor_file, publication
from app.serving.factor_file import Factors
from app.serving.kinds import IMPORT_MODEL, ImportModelParams, factors_key
from app.serving.model_store import ModelStore
from app.serving.publication import Moment, incumbent
from app.serving.rebuild_model import read_ratings, with_items
from app.storage import Database
from app.storage.store import store_of
from app.task import Task
from app.tasks.attempt import Attempt
from app.tasks.start import queue


def start(database: Database, settings: Settings, factors: Factors, name: str) -> Task:
    """Queue the import of factors, which are kept in the store until it has ended.

    `name`: of their file, for people. Raises as `queue`.
    """
    task_id = str(uuid.uuid4())
    beside = settings.uploads_dir / f"{task_id}.factors.part"
    beside.parent.mkdir(parents=True, exist_ok=True)
    try:
        factor_file.save(beside, factors)
        store_of(settings).put_file(factors_key(task_id), beside)  # swept, if the task is refused
    finally:
        beside.unlink(missing_ok=True)
    with database.write() as connection:
        params = ImportModelParams(file=name)
        return queue(connection, IMPORT_MODEL, params, task_id=task_id, max_queue=settings.max_queue)


def run(attempt: Attempt) -> None:
    """Complete with the version, how good it is and whether it is served."""
    publication.run(attempt, _build)
    store_of(attempt.settings).delete([factors_key(attempt.task.id)])
    shutil.rmtree(_scratch(attempt), ignore_errors=True)


def _build(attempt: Attempt, store: ModelStore) -> dict[str, Any]:
    moment = Moment.of(attempt)
    path = store_of(attempt.settings).local(factors_key(attempt.task.id), _scratch(attempt))
    given = factor_file.read(path, attempt.settings.max_upload)
    interactions = read_ratings(attempt)
    read = {"ratings": len(interactions), "users": len(interactions.user_ids)}
    remark = _remark(given, interactions.movie_ids)
    training, held_out = evaluation.split(interactions)
    del interactions  # as large as what it was split into
    attempt.report(phase="adopt", done=0, total=None, unit=None)
    name = Path(attempt.task.params["file"]).name
    described = {"imported": name, "factors": given.factors.shape[1], "objective": asdict(given.objective)}
    threads = attempt.settings.train_threads or None
    model = adopt(training, given.movie_ids, given.factors, given.objective, described, threads)
    served = incumbent(attempt, store, moment.forgotten)
    model, left_out = with_items(attempt, training, model, served, moment)
    del training
    remark = " ".join(filter(None, (remark, left_out)))
    return publication.judged(attempt, store, model, held_out, served, moment, read, remark)


def _scratch(attempt: Attempt) -> Path:
    """The folder of this machine for a copy of what a store elsewhere has."""
    return attempt.settings.data_dir / "work" / attempt.task.id


def _remark(given: Factors, rated: Any) -> str:
    """What the factors do not cover. Raises `Invalid` if that is everything."""
    known = int(np.isin(rated, given.movie_ids).sum())
    if not known:
        raise Invalid(
            "None of the movies in the file is rated here. Its movie ids have to be those of this service, "
            "as `matinee export` writes them."
        )
    without, unrated = len(rated) - known, len(given.movie_ids) - known
    texts = (
        f"{without:,} rated movies are not in the file and have no factors." if without else "",
        f"{unrated:,} movies of the file are not rated here and were left out." if unrated else "",
    )
    return " ".join(filter(None, texts))

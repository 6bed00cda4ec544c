"""The service of one process: what is opened on first use, and the recommendations it gives."""

import threading
from dataclasses import dataclass

import numpy as np
from sqlalchemy.engine import Connection

from app.config import Settings
from app.recommender.model import Model
from app.recommender.ranking import Mask, rank
from app.recommender.store import ModelStore
from app.repository import models, movies, ratings
from app.storage import Database, open_database
from app.tasks.embedded import EmbeddedWorker


@dataclass(frozen=True, slots=True)
class Recommended:
    """Movie ids, best first. `source`: personal, own or popular; `version` is 0 while there is no model."""

    movie_ids: list[int]
    source: str
    version: int


class Service:
    """Nothing is opened before it is needed, then once, under a lock: there may be no start-up event."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._worker: EmbeddedWorker | None = None
        self._store = ModelStore(settings.models_dir)
        self._listed: tuple[Model, int, Mask | None] | None = None

    @property
    def database(self) -> Database:
        """The database; the first use opens it and starts the embedded worker beside."""
        return self._database or self._open()

    def _open(self) -> Database:
        with self._lock:
            if self._database is None:
                if self.settings.embedded_worker and self._worker is None:
                    self._worker = EmbeddedWorker(self.settings)  # it starts up while the schema is made
                self._database = open_database(self.settings)
            return self._database

    def wake_worker(self) -> None:
        """Have the worker look into the queue; a background task of the requests that queue something."""
        if self._worker is not None:
            self._worker.wake()

    def close(self) -> None:
        """End the worker at its next safe point and close the database; a later use opens both again."""
        with self._lock:
            worker, database = self._worker, self._database
            self._worker = self._database = None
        if worker is not None:
            worker.close()
        if database is not None:
            database.close()

    def recommend(self, user_id: int, limit: int) -> Recommended:
        """The plain list: unrated movies by preference; what they rated fills up a list that falls short."""
        with self.database.read() as connection:
            active = models.active(connection)
            if active is None:
                best = movies.popular(connection, limit=limit)
                return Recommended([movie.id for movie in best], "popular", 0)
            model, mask = self._model(connection, active)
            rated = ratings.of_user(connection, user_id)
        ids, scores, times = (
            zip(*((r.movie_id, r.score, r.rated_at) for r in rated), strict=True) if rated else ((), (), ())
        )
        ranking = rank(model, ids, scores, times, limit=limit, mask=mask)
        return Recommended(ranking.movie_ids.tolist(), ranking.source, active.version)

    def _model(self, connection: Connection, active: models.Active) -> tuple[Model, Mask | None]:
        """The active model, and which of its movies still exist (None: all of them)."""
        model = self._store.load(active.checksum, version=active.version, created_at=active.created_at)
        listed = self._listed
        if listed is None or listed[0] is not model or listed[1] != active.movies_deleted:
            mask = np.isin(model.movie_ids, movies.known_ids(connection))
            listed = self._listed = model, active.movies_deleted, None if mask.all() else mask
        return model, listed[2]

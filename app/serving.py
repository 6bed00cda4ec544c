"""Recommendations from the active model: plain lists of ids, rich ones with reasons, similar movies."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sqlalchemy.engine import Connection

from app.arrays import Mask
from app.movies import Movie
from app.newcomers import with_newcomers
from app.ratings import Rating
from app.recommender.model import Model
from app.recommender.model_file import CorruptModel
from app.recommender.ranking import Ranking, rank
from app.recommender.store import ModelStore
from app.repository import models, movies
from app.storage import Database

REASONS = 3
"""How many of a user's ratings a recommendation names as its reasons."""

PREPARE_EVERY = 1.0
"""Seconds between two looks at movies to fold in, while such are being rated."""

log = logging.getLogger("matinee.serving")

Source = Literal["personal", "own", "popular"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which movies may be listed."""

    genre: str | None = None
    year_from: int | None = None
    year_to: int | None = None
    exclude: tuple[int, ...] = ()

    @property
    def any(self) -> bool:
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Reason:
    """A rated movie, its score, and what it adds to the preference for the recommended one."""

    movie: Movie
    score: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A movie, the predicted preference (about 1 for a liked one, 0 without a model), and the reasons."""

    movie: Movie
    preference: float
    because: list[Reason]


@dataclass(frozen=True)
class Serving:
    """One request's view: the active model and which of its movies exist (None: all), in one transaction."""

    connection: Connection
    model: Model | None
    existing: Mask | None = None

    @property
    def version(self) -> int:
        """0 while there is no model."""
        return self.model.version if self.model else 0

    def knows(self, movie_id: int) -> bool:
        """Whether the model has this movie and it still exists."""
        if self.model is None:
            return False
        row = int(self.model.rows([movie_id])[0])
        return row >= 0 and (self.existing is None or bool(self.existing[row]))

    def plain(self, rated: list[Rating], limit: int) -> tuple[list[int], Source]:
        """Movie ids: unrated movies by preference; what they rated fills up a list that falls short."""
        if self.model is None:
            return self._filled([], limit), "popular"
        ranking = _rank(self.model, rated, limit, self.existing)
        ids: list[int] = ranking.movie_ids.tolist()
        if len(ids) < limit and ranking.source != "personal":
            ids = self._filled(ids, limit)
        return ids, ranking.source

    def _filled(self, ids: list[int], limit: int) -> list[int]:
        seen = set(ids)
        popular = (movie.id for movie in movies.popular(self.connection, limit=limit + len(ids)))
        return (ids + [movie_id for movie_id in popular if movie_id not in seen])[:limit]

    def rich(
        self, rated: list[Rating], limit: int, filters: Filters, diversity: float = 0.0
    ) -> tuple[list[Recommendation], Source]:
        """Movies with titles and reasons; never one that they rated. Personal, else popular."""
        ranking = None
        if self.model is not None:
            ranking = _rank(self.model, rated, limit, self._mask(filters), fill=False, diversity=diversity)
        if ranking is None or ranking.source != "personal":
            return [Recommendation(m, 0.0, []) for m in self._popular(rated, limit, filters)], "popular"
        return self._explained(rated, ranking), "personal"

    def _popular(self, rated: list[Rating], limit: int, filters: Filters) -> list[Movie]:
        hidden = {rating.movie_id for rating in rated} | set(filters.exclude)
        found = movies.search(
            self.connection,
            "",
            limit=limit + len(hidden),
            genre=filters.genre,
            years=(filters.year_from, filters.year_to),
        )
        return [movie for movie in found if movie.id not in hidden][:limit]

    def _mask(self, filters: Filters) -> Mask | None:
        if self.model is None or not filters.any:
            return self.existing
        years = (filters.year_from, filters.year_to)
        wanted = movies.matching_ids(self.connection, genre=filters.genre, years=years)
        mask: Mask = np.isin(self.model.movie_ids, wanted)
        mask &= ~np.isin(self.model.movie_ids, filters.exclude)
        return mask

    def _explained(self, rated: list[Rating], ranking: Ranking) -> list[Recommendation]:
        if self.model is None:
            return []
        by_id = movies.by_ids(self.connection, [*ranking.movie_ids.tolist(), *(r.movie_id for r in rated)])
        contributions = self.model.contributions(
            [r.movie_id for r in rated], [r.score for r in rated], ranking.movie_ids
        )
        recommendations = []
        for movie_id, preference, row in zip(
            ranking.movie_ids.tolist(), ranking.scores.tolist(), contributions, strict=True
        ):
            strongest = [i for i in np.argsort(-row, kind="stable")[:REASONS].tolist() if row[i] > 0]
            because = [Reason(by_id[rated[i].movie_id], rated[i].score, float(row[i])) for i in strongest]
            recommendations.append(Recommendation(by_id[movie_id], preference, because))
        return recommendations

    def similar(self, movie_id: int, limit: int) -> list[tuple[Movie, float]]:
        """The movies that the same people like, best first, with their cosine. Raises `NotFound`."""
        movies.get(self.connection, movie_id)
        if self.model is None:
            return []
        ids, cosine = self.model.similar(movie_id, limit)
        by_id = movies.by_ids(self.connection, ids.tolist())
        return [(by_id[i], c) for i, c in zip(ids.tolist(), cosine.tolist(), strict=True) if i in by_id]


def _rank(
    model: Model,
    rated: list[Rating],
    limit: int,
    mask: Mask | None,
    *,
    fill: bool = True,
    diversity: float = 0.0,
) -> Ranking:
    return rank(
        model,
        [rating.movie_id for rating in rated],
        [rating.score for rating in rated],
        [rating.rated_at for rating in rated],
        limit=limit,
        mask=mask,
        fill_rated=fill,
        diversity=diversity,
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A model as it is served: with newcomers, and a mask of what exists. `state` is what it was made for."""

    base: Model
    state: tuple[int, int]  # movies deleted ever, newest first rater
    at: float
    model: Model
    existing: Mask | None


class ActiveModel:
    """The model that is served, with the movies that came since and without those that went.

    A version that was added but is not served yet is read ahead, in a thread, so that no request waits for
    it once it is.
    """

    def __init__(
        self,
        store: ModelStore,
        database: Callable[[], Database],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._prepared: _Prepared | None = None
        self._coming: _Prepared | None = None
        self._foreseen = 0
        self._unreadable = 0

    def serve(self, connection: Connection) -> Serving:
        """What is served in this transaction; the model before if the active one cannot be read."""
        active = models.active(connection)
        if active is None:
            return Serving(connection, None)
        if active.newest > active.version and active.newest > self._foreseen:
            self._foreseen = active.newest
            threading.Thread(target=self.read_ahead, args=(active.newest,), daemon=True).start()
        base = self._load(active)
        prepared = self._prepared
        if base is not None and self._is_stale(prepared, base, active):
            prepared = self._prepare(connection, base, active)
        if prepared is None:
            return Serving(connection, None)
        return Serving(connection, prepared.model, prepared.existing)

    def read_ahead(self, version: int) -> None:
        """Prepare a version that will be served in a moment, if it was promoted and can be read."""
        with self._database().read() as connection:
            row, active = models.get(connection, version), models.active(connection)
            if not row.promoted or active is None:
                return
            try:
                base = self._store.read(row.checksum, version=row.version, created_at=row.created_at)
            except CorruptModel as error:
                log.error("%s", error.detail)
                return
            self._coming = self._made(connection, base, active)

    def _is_stale(self, prepared: _Prepared | None, base: Model, active: models.Active) -> bool:
        if prepared is None or prepared.base is not base or prepared.state[0] != active.movies_deleted:
            return True
        return prepared.state[1] != active.newcomers and self._clock() - prepared.at >= PREPARE_EVERY

    def _prepare(self, connection: Connection, base: Model, active: models.Active) -> _Prepared:
        with self._lock:
            if (prepared := self._prepared) and not self._is_stale(prepared, base, active):
                return prepared
            prepared = self._prepared = self._made(connection, base, active)
            return prepared

    def _made(self, connection: Connection, base: Model, active: models.Active) -> _Prepared:
        model = with_newcomers(connection, base)
        mask: Mask = np.isin(model.movie_ids, movies.known_ids(connection))
        _ = model.order  # kept from here on
        state = (active.movies_deleted, active.newcomers)
        return _Prepared(base, state, self._clock(), model, None if mask.all() else mask)

    def check(self, version: models.ModelVersion) -> None:
        """Raises `CorruptModel` unless that version can be served."""
        self._store.read(version.checksum, version=version.version, created_at=version.created_at)

    def _load(self, active: models.Active) -> Model | None:
        coming = self._coming
        if coming is not None and coming.base.version == active.version:
            self._store.adopt(active.checksum, coming.base)
            self._prepared, self._coming = coming, None
        try:
            return self._store.load(active.checksum, version=active.version, created_at=active.created_at)
        except CorruptModel as error:
            if self._unreadable != active.version:
                log.error("%s", error.detail)
                self._unreadable = active.version
            return None

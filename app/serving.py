"""Recommendations from the active model: plain lists of ids, rich ones with reasons, similar movies."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sqlalchemy.engine import Connection

from app.arrays import Mask
from app.movies import Movie
from app.newcomers import Newcomer, fold_in, with_newcomers
from app.ratings import Rating
from app.recommender.model import Model
from app.recommender.model_file import CorruptModel
from app.recommender.ranking import Ranking, rank
from app.recommender.store import ModelStore
from app.repository import models, movies, versions
from app.storage import Database

REASONS = 3
"""How many of a user's ratings a recommendation names at most as its reasons; none is below their mean."""

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
    """One request's view: the active model and which of its movies exist (None: all), in one transaction.

    `state`: what a list depends on beside the user's ratings and the model's version; `shown`: what it
    depends on further where it is not personal; both as of before anything that is shown was read.
    """

    connection: Connection
    model: Model | None
    existing: Mask | None = None
    state: tuple[int, ...] = ()
    shown: int = 0

    @property
    def version(self) -> int:
        """0 while there is no model."""
        return self.model.version if self.model else 0

    def known(self, movie_ids: ArrayLike) -> Mask:
        """[movie_ids]: which of them the model has and still exist."""
        if self.model is None:
            return np.zeros(len(np.asarray(movie_ids)), np.bool_)
        rows = self.model.rows(movie_ids)
        found: Mask = rows >= 0
        if self.existing is not None:
            found &= np.append(self.existing, False)[rows]
        return found

    def plain(self, rated: list[Rating], limit: int) -> tuple[list[int], Source]:
        """Movie ids: unrated movies by preference; what they rated fills up a list that falls short."""
        if self.model is None:
            return self._filled([], limit), "popular"
        ranking = _rank(self.model, rated, limit, self.existing)
        ids: list[int] = ranking.movie_ids.tolist()
        if not ids:
            return self._filled([], limit), "popular"
        if len(ids) < limit and ranking.source != "personal":
            ids = self._filled(ids, limit)
        return ids, ranking.source

    def _filled(self, ids: list[int], limit: int) -> list[int]:
        seen = set(ids)
        popular = (movie.id for movie in movies.popular(self.connection, limit=limit + len(ids)))
        return (ids + [movie_id for movie_id in popular if movie_id not in seen])[:limit]

    def rich(
        self,
        rated: list[Rating],
        limit: int,
        filters: Filters,
        diversity: float = 0.0,
        *,
        mean: float | None = None,
        step: Callable[[], None] = lambda: None,
    ) -> tuple[list[Recommendation], Source]:
        """Movies with titles and reasons; never one that they rated. Personal, else popular.

        `mean`: of their scores, if they gave more than are in `rated`. `step` is called every few
        milliseconds of a long calculation, which it may end by raising.
        """
        ranking = None
        if self.model is not None:
            ranking = _rank(self.model, rated, limit, self._mask(filters), fill=False, diversity=diversity)
        if ranking is None or ranking.source != "personal" or not len(ranking.movie_ids):
            return [Recommendation(m, 0.0, []) for m in self._popular(rated, limit, filters)], "popular"
        return self._explained(rated, ranking, mean, step), "personal"

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

    def _explained(
        self, rated: list[Rating], ranking: Ranking, mean: float | None, step: Callable[[], None]
    ) -> list[Recommendation]:
        if self.model is None:
            return []
        scores = np.array([rating.score for rating in rated])
        liked = scores >= (scores.mean() if mean is None else mean)
        places, contributions = self.model.strongest(
            [r.movie_id for r in rated], scores, ranking.movie_ids, REASONS, among=liked, step=step
        )
        listed: list[int] = ranking.movie_ids.tolist()
        named = {rated[place].movie_id for place in places[places >= 0].tolist()}
        by_id = movies.by_ids(self.connection, {*listed, *named})

        def because(row: int) -> list[Reason]:
            pairs = zip(places[row].tolist(), contributions[row].tolist(), strict=True)
            reasons = [(rated[place], part) for place, part in pairs if place >= 0]
            return [Reason(by_id[r.movie_id], r.score, part) for r, part in reasons if r.movie_id in by_id]

        return [
            Recommendation(by_id[movie_id], preference, because(row))
            for row, (movie_id, preference) in enumerate(zip(listed, ranking.scores.tolist(), strict=True))
            if movie_id in by_id
        ]

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
    columns = ([r.movie_id for r in rated], [r.score for r in rated], [r.rated_at for r in rated])
    return rank(model, *columns, limit=limit, mask=mask, fill_rated=fill, diversity=diversity)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A model as it is served: with newcomers, and a mask of what exists; and what it was made of."""

    base: Model
    newcomers: Mapping[int, Newcomer]
    model: Model
    existing: Mask | None
    state: models.Active

    def is_current(self, base: Model, active: models.Active) -> bool:
        """Whether it shows all that `active` knows; a transaction that began earlier may find more in it."""
        return (
            self.base is base
            and self.state.catalogue >= active.catalogue
            and self.state.newcomers >= active.newcomers
        )


class ActiveModel:
    """The model that is served, with the movies that came since and without those that went.

    A version that was added but is not served yet is read ahead, in a thread, so that no request waits for
    it once it is.
    """

    def __init__(self, store: ModelStore, database: Callable[[], Database]) -> None:
        self._store = store
        self._database = database
        self._lock = threading.Lock()
        self._prepared: _Prepared | None = None
        self._coming: _Prepared | None = None
        self._foreseen = 0
        self._unreadable = 0

    def serve(self, connection: Connection) -> Serving:
        """What is served in this transaction; the model before if the active one cannot be read."""
        active = models.active(connection)
        if active is None:
            return Serving(connection, None, shown=versions.shown(connection))
        if active.newest > active.version and active.newest > self._foreseen:
            self._foresee(active.newest)
        base = self._load(active) or (self._prepared.base if self._prepared else None)
        if base is None:
            return Serving(connection, None, shown=active.shown)
        prepared = self._prepared
        if prepared is None or not prepared.is_current(base, active):
            prepared = self._prepare(connection, base, active)
        state = (active.catalogue, active.newcomers)
        return Serving(connection, prepared.model, prepared.existing, state, active.shown)

    def _foresee(self, version: int) -> None:
        """Read a version ahead in a thread; if that fails, the next request tries again."""

        def read() -> None:
            try:
                self.read_ahead(version)
            except Exception as error:
                log.warning("version %d was not read ahead: %s", version, error)
                self._foreseen = 0

        self._foreseen = version
        try:
            threading.Thread(target=read, daemon=True).start()
        except RuntimeError:  # no thread to be had now
            self._foreseen = 0

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
            self._coming = _made(connection, base, active, None)

    def _prepare(self, connection: Connection, base: Model, active: models.Active) -> _Prepared:
        with self._lock:
            if (prepared := self._prepared) is None or not prepared.is_current(base, active):
                prepared = self._prepared = _made(connection, base, active, prepared)
            return prepared

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


def _made(connection: Connection, base: Model, active: models.Active, before: _Prepared | None) -> _Prepared:
    """What is shown of `base`, with as much of what was made `before` as is still right."""
    if before is None or before.base is not base or before.state.movies_deleted != active.movies_deleted:
        newcomers = fold_in(connection, base, {}, 0)
        model = with_newcomers(base, newcomers)
    else:
        newcomers = fold_in(connection, base, before.newcomers, before.state.newcomers)
        same = newcomers is before.newcomers
        model = before.model if same else with_newcomers(base, newcomers)
    mask = movies.exist(connection, model.movie_ids)
    _ = model.order  # kept from here on
    return _Prepared(base, newcomers, model, None if mask.all() else mask, active)

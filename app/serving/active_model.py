"""The active model, and how another version takes its place."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf

from sqlalchemy.engine import Connection

from app import brief
from app.arrays import Mask
from app.errors import Unavailable
from app.recommender.model import Model
from app.repository import models, movies, versions
from app.serving.cold_start import ColdStartMovie, fold_in, with_cold_start_movies
from app.serving.model_file import CorruptModel
from app.serving.model_store import ModelStore
from app.serving.recommendations import Serving
from app.storage import Database

AGAIN = 1.0
"""Seconds until a model that could not be read is tried again."""
PATIENCE, FIRST_PATIENCE = 2.0, 10.0
"""Seconds that requests wait for a model, from when it was first read: with one before it to serve, and
without. None waits for one that could not be read and is tried again."""
BRIEF = 4_000_000
"""Factors of a model up to which the event loop goes through them, in a millisecond."""

log = logging.getLogger("matinee.serving")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A model as it is served (with cold-start movies, and a mask of existing ones), and its origin."""

    base: Model
    cold_start: Mapping[int, ColdStartMovie]
    model: Model
    existing: Mask | None
    state: models.Active

    def is_current(self, base: Model, active: models.Active) -> bool:
        """Whether it is as new as `active`. It may be newer: another request began its transaction later."""
        return (
            self.base is base
            and self.state.catalogue >= active.catalogue
            and self.state.first_rater >= active.first_rater
        )


@dataclass(slots=True)
class _Reading:
    """A version that a thread reads. `until`: when requests no longer wait for it; `again_at`: when another
    one may begin (monotonic seconds).
    """

    version: int
    until: float
    ended: threading.Event = field(default_factory=threading.Event)
    again_at: float = inf


class ActiveModel:
    """The active model with cold-start movies folded in, without movies that have been deleted.

    A version that has been added but is not active yet is read ahead in a thread, so that no request waits
    for its file.
    """

    def __init__(self, store: ModelStore, database: Callable[[], Database]) -> None:
        self._store = store
        self._database = database
        self._lock = threading.Lock()
        self._prepared: _Prepared | None = None
        self._coming: _Prepared | None = None
        self._foreseen = 0
        self._unreadable = 0
        self._reading: _Reading | None = None
        self._beginning = threading.Lock()

    def serve(self, connection: Connection) -> Serving:
        """What this transaction is served from: the previous model if the active one cannot be read."""
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
        if prepared.model.factors.size > BRIEF:
            brief.leave()
        state = (active.catalogue, active.first_rater)
        return Serving(connection, prepared.model, prepared.existing, state, active.shown)

    def fault(self, connection: Connection) -> str | None:
        """Why the active version is not served, if it is not."""
        active = models.active(connection)
        if active is None or self.serve(connection).version >= active.version:
            return None
        return f"Model {active.version} cannot be read, and an older one or the popular list is served."

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
        except RuntimeError:  # the system refuses another thread for now
            self._foreseen = 0

    def read_ahead(self, version: int) -> None:
        """Prepare a version that is about to become active, if it was promoted and can be read."""
        with self._database().read() as connection:
            row, active = models.get(connection, version), models.active(connection)
            if not row.promoted or active is None:
                return
            try:
                base = self._store.read(row.checksum, version=row.version, created_at=row.created_at)
            except (CorruptModel, Unavailable) as error:
                log.error("%s", error.detail)
                return
            self._coming = _made(connection, base, active, None)

    def _prepare(self, connection: Connection, base: Model, active: models.Active) -> _Prepared:
        brief.leave()
        with self._lock:
            if (prepared := self._prepared) is None or not prepared.is_current(base, active):
                prepared = self._prepared = _made(connection, base, active, prepared)
            return prepared

    def check(self, version: models.ModelVersion) -> None:
        """Raises `CorruptModel` if that version cannot be served."""
        self._store.read(version.checksum, version=version.version, created_at=version.created_at)

    def _load(self, active: models.Active) -> Model | None:
        coming = self._coming
        if coming is not None and coming.base.version == active.version:
            brief.leave()
            self._store.adopt(active.checksum, coming.base)
            self._prepared, self._coming = coming, None
        if (model := self._store.held(active.checksum, active.version)) is not None:
            return model
        brief.leave()
        reading = self._begin(active)
        reading.ended.wait(max(0.0, reading.until - time.monotonic()))
        return self._store.held(active.checksum, active.version)

    def _begin(self, active: models.Active) -> _Reading:
        """Have a thread read the version, unless one does or has failed just now: a store may be away."""
        with self._beginning:
            last, now = self._reading, time.monotonic()
            if last is not None and last.version == active.version and now < last.again_at:
                return last
            patience = PATIENCE if self._prepared else FIRST_PATIENCE
            if self._unreadable == active.version:
                patience = 0.0
            reading = self._reading = _Reading(active.version, now + patience)
        try:
            threading.Thread(target=self._read, args=(active, reading), daemon=True).start()
        except RuntimeError:  # the system refuses another thread for now
            self._read(active, reading)
        return reading

    def _read(self, active: models.Active, reading: _Reading) -> None:
        try:
            self._store.load(active.checksum, version=active.version, created_at=active.created_at)
        except (CorruptModel, Unavailable) as error:
            if self._unreadable != active.version:
                log.error("%s", error.detail)
                self._unreadable = active.version
        finally:
            reading.again_at = time.monotonic() + AGAIN
            reading.ended.set()


def _made(connection: Connection, base: Model, active: models.Active, before: _Prepared | None) -> _Prepared:
    """`base` as it is served now; what was prepared `before` is used as far as it is still right."""
    if before is None or before.base is not base or before.state.movies_deleted != active.movies_deleted:
        cold_start = fold_in(connection, base, {}, 0)
        model = with_cold_start_movies(base, cold_start)
    else:
        cold_start = fold_in(connection, base, before.cold_start, before.state.first_rater)
        same = cold_start is before.cold_start
        model = before.model if same else with_cold_start_movies(base, cold_start)
    mask = movies.exist(connection, model.movie_ids)
    _ = model.order, model.preferences([], [])  # what they keep is computed here, so that no request has to
    return _Prepared(base, cold_start, model, None if mask.all() else mask, active)

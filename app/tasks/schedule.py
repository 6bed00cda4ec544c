"""Rebuilds that nobody asked for: some time after the last one, or after enough changed ratings."""

import time
from collections.abc import Callable

from app.config import Settings
from app.imports.counts import settle
from app.repository import models, ratings, tasks
from app.storage import Database
from app.tasks import retention
from app.tasks.start import start
from app.tasks.task import COMPLETE, REBUILD_MODEL

LOOK_EVERY = 5.0
"""Seconds between two looks at what is due."""

CLEAN_EVERY = 3600.0

PATIENCE = 600.0
"""Seconds after a rebuild that failed or was cancelled before one is scheduled again."""


class Schedule:
    """Looked at by the worker while it has nothing else to do."""

    def __init__(
        self, database: Database, settings: Settings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._looked = 0.0
        self._cleaned = clock()

    def look(self) -> None:
        """Queue a rebuild if one is due; make movie counts right; clean up once an hour."""
        now = self._clock()
        if now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        settle(self._database, self._database.write)  # an import that was cancelled as it waited left some
        if self._is_due(now):
            start(self._database, REBUILD_MODEL, {"scheduled": True})
        if now - self._cleaned >= CLEAN_EVERY:
            self._cleaned = now
            retention.clean(self._database, self._settings, now=now)

    def _is_due(self, now: float) -> bool:
        every, after = self._settings.rebuild_every * 3600, self._settings.rebuild_after
        if not every and not after:
            return False
        with self._database.read() as connection:
            changes = ratings.changes(connection)
            newest = models.newest(connection)
            last = next(iter(tasks.listing(connection, limit=1, kind=REBUILD_MODEL)), None)
        if (
            last is not None
            and last.status != COMPLETE
            and (not last.ended or now - last.created_at < PATIENCE)
        ):
            return False
        changes -= newest.rating_changes if newest else 0
        waited = bool(every) and now - (newest.created_at if newest else 0.0) >= every
        return changes > 0 and (waited or (after > 0 and changes >= after))

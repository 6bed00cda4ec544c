"""Rebuilds that nobody asked for: some time after the last one, or after enough changed ratings."""

import time
from collections.abc import Callable

from app.config import Settings
from app.imports.counts import settle
from app.repository import models, ratings, tasks
from app.storage import Database
from app.task import COMPLETE, REBUILD_MODEL
from app.tasks import retention
from app.tasks.start import start

LOOK_EVERY = 5.0
"""Seconds between two looks at what is due."""

CLEAN_EVERY = 3600.0

PATIENCE = 600.0
"""Seconds after a rebuild that failed or was cancelled before one is scheduled again."""


class Schedule:
    """Looked at by the worker while it has nothing else to do."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._steady = retention.SteadyTime(database, clock, monotonic)
        self._looked = self._cleaned = 0.0

    def look(self) -> None:
        """Queue a rebuild if one is due; make movie counts right; clean up at first and then once an hour."""
        now = self._clock()
        if _is_within(LOOK_EVERY, self._looked, now):
            return
        self._looked = now
        settle(self._database, self._database.write)  # an import that was cancelled as it waited left some
        if self._is_due(now):
            start(self._database, REBUILD_MODEL, {"scheduled": True})
        if _is_within(CLEAN_EVERY, self._cleaned, now):
            return
        with self._database.busy():
            is_done = retention.clean(self._database, self._settings, now=self._steady())
        if is_done:
            self._cleaned = now

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
            and (not last.ended or _is_within(PATIENCE, last.created_at, now))
        ):
            return False
        changes -= newest.rating_changes if newest else 0
        waited = bool(every) and not _is_within(every, newest.created_at if newest else 0.0, now)
        return changes > 0 and (waited or (after > 0 and changes >= after))


def _is_within(seconds: float, since: float, now: float) -> bool:
    """Whether less time than that has passed; not for a time to come, from a clock that was ahead."""
    return 0 <= now - since < seconds

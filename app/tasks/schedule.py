"""What is due without a request: tasks by schedule, what tidies up, and what is no longer needed."""

import time
from collections.abc import Callable

from app.config import Settings
from app.repository import tasks
from app.storage import Database
from app.tasks import retention
from app.tasks.kinds import kind_of, kinds
from app.tasks.start import start

LOOK_EVERY = 5.0
"""Seconds between two looks at what is due."""
CLEAN_EVERY = 3600.0
"""Seconds between two looks at what is no longer needed."""


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
        """Tidy up, queue what is due; clean up at first and then once an hour."""
        now = self._clock()
        if is_within(LOOK_EVERY, self._looked, now):
            return
        self._looked = now
        tidy(self._database)
        for kind in kinds():
            if (params := kind.due(self._database, self._settings, now)) is not None:
                start(self._database, kind.name, params)
        if is_within(CLEAN_EVERY, self._cleaned, now):
            return
        with self._database.busy():
            is_done = retention.clean(self._database, self._settings, now=self._steady())
        if is_done:
            self._cleaned = now


def tidy(database: Database) -> None:
    """Tidy up what tasks have left, but in lanes where one has not ended: that one does it itself.

    It may stand still and hold what tidying up would wait for, or wait for a worker that tidies up.
    """
    with database.read() as connection:
        active = {kind_of(name).lane for name in tasks.active_kinds(connection)}
    for kind in kinds():
        if kind.lane not in active:
            kind.tidy(database)


def is_within(seconds: float, since: float, now: float) -> bool:
    """Whether less time than that has passed; not for a time to come, from a clock that was ahead."""
    return 0 <= now - since < seconds

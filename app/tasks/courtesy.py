"""A worker leaves the API beside it one processor while requests come, and takes every one while none do."""

from collections.abc import Sequence

from app.config import Settings
from app.process import leave_one_processor
from app.storage.last_request import LastRequest
from app.tasks.watch import Line

QUIET = 0.5
"""Seconds without a request after which none is expected."""


class Courtesy:
    """Looks at the last request while one of the worker's lines is at work."""

    def __init__(self, settings: Settings, lines: Sequence[Line]) -> None:
        self._lines, self._last = lines, LastRequest(settings)
        self._leaves: bool | None = None

    def look(self) -> None:
        """Have the worker leave a processor from here on, or take all; before a task it leaves one."""
        leaves = all(line.attempt is None for line in self._lines) or self._last.age() < QUIET
        if leaves != self._leaves:
            leave_one_processor(leaves)
            self._leaves = leaves

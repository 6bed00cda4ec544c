"""The progress of a command that works by itself, on standard error."""

import sys
import time

from app.cli.console import BAR

EVERY, LINE_EVERY = 0.1, 10.0
"""Seconds between two updates of a line on the terminal, and between two lines elsewhere."""


class Shown:
    """A line that is written over on a terminal, else one a phase and one every ten seconds.

    `unit`: of what is counted; `each`: how many of these are one of the unit.
    """

    def __init__(self, unit: str = "MB", each: float = 1e6) -> None:
        self._unit, self._each = unit, each
        self._terminal = sys.stderr.isatty()
        self._phase, self._began, self._told = "", 0.0, 0.0
        self._before = 0  # was done when the phase began, by an earlier run

    def __call__(self, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if phase != self._phase:
            self.end()
            self._phase, self._began, self._before, self._told = phase, now, done, now
            if not self._terminal:
                print(phase, file=sys.stderr, flush=True)
                return
        elif now - self._told < (EVERY if self._terminal else LINE_EVERY) and (
            done < total or not self._terminal
        ):
            return
        self._told = now
        if self._terminal:
            filled = BAR * done // max(1, total)
            bar = f" [{'#' * filled}{'.' * (BAR - filled)}]"
            print(
                f"\r\033[K{phase}{bar} {self._figures(done, total, now)}", end="", file=sys.stderr, flush=True
            )
        else:
            print(f"{phase}: {self._figures(done, total, now)}", file=sys.stderr, flush=True)

    def _figures(self, done: int, total: int, now: float) -> str:
        new = done - self._before
        left = (now - self._began) / new * (total - done) if new > 0 else 0.0
        of = f"{done / self._each:,.0f} of {total / self._each:,.0f} {self._unit}"
        return f"{of}, {left:.0f} s left"

    def end(self) -> None:
        if self._terminal and self._phase:
            print(file=sys.stderr)

"""Logs: one configuration for the server and the service, on the logging of the standard library.

Records go to standard error, and to no file: who runs the service decides where they are kept.
"""

import logging
import sys
import time
from functools import partial
from typing import Any

from app.logs.fields import begin, belonging, current, end
from app.logs.formats import Json, Text
from app.logs.target import Target

__all__ = [
    "begin",
    "belonging",
    "configure",
    "current",
    "dropped",
    "end",
    "end_soon",
    "flush",
    "say",
    "take_over",
]

SERVER = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
OTHERS = logging.WARNING
"""The level of what is neither ours nor the server's."""


def configure(level: str, style: str) -> None:
    """Send every record of this process through one handler. `style`: json, text, or auto by the terminal.

    Where a program that embeds the service has given the root a handler, that stays the only one.
    """
    root = logging.getLogger()
    if not root.handlers:
        _leave_out_what_no_line_shows()
        root.addHandler(Target(2))
        root.setLevel(OTHERS)
    if target := _target():
        as_text = style == "text" or (style == "auto" and sys.stderr is not None and sys.stderr.isatty())
        target.setFormatter(Text() if as_text else Json())
    logging.getLogger("matinee").setLevel(level)
    for name in SERVER:
        log = logging.getLogger(name)
        log.handlers.clear()
        log.propagate = name != "uvicorn.access"  # the service says more of each request, in one line
        log.setLevel(logging.INFO if name == "uvicorn" else logging.NOTSET)


def _leave_out_what_no_line_shows() -> None:
    """A record costs a third then: see "Optimization" in the HOWTO of Python's logging."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined,unused-ignore]  # from Python 3.12 on
    logging._srcfile = None


def take_over(level: str, style: str) -> None:
    """Configure the logs if a server has: `uvicorn app.main:app` does before it imports the service."""
    logging.getLogger("matinee").setLevel(level)
    if logging.getLogger("uvicorn").handlers:
        configure(level, style)


def say(log: logging.Logger, level: int, text: str, *given: Any, fields: dict[str, Any]) -> None:
    """As `log.log(level, text, *given, extra={"fields": fields})`, for what is said of each request.

    Where our lines of JSON are all that becomes of it no record is made, which takes two thirds of the time.
    """
    if not log.isEnabledFor(level):
        return
    target = _sole_target(log)
    if target is None or not isinstance(target.formatter, Json):
        log.log(level, text, *given, extra={"fields": fields})
        return
    said = time.time(), logging.getLevelName(level), log.name, text, given, current() | fields
    target.put(partial(target.formatter.line, *said))


def _sole_target(log: logging.Logger) -> Target | None:
    """The target, if a record of that log would go there and nowhere else."""
    one: logging.Logger | None = log
    while one is not None and one.propagate and one.parent and not (one.handlers or one.filters):
        one = one.parent
    found = one.handlers if one is not None else []
    return found[0] if len(found) == 1 and isinstance(found[0], Target) and not found[0].filters else None


def dropped() -> int:
    """Lines that this process has dropped since what reads them does not keep up."""
    return target.dropped if (target := _target()) else 0


def flush() -> None:
    """Before a process ends without the usual end: wait for the last lines, for a second at most."""
    if target := _target():
        target.flush()


def end_soon(is_near: bool = True) -> None:
    """The process may end at any moment, by its own signal: from here on each line is written at once."""
    if target := _target():
        target.is_prompt = is_near
        target.flush()


def _target() -> Target | None:
    return next((one for one in logging.getLogger().handlers if isinstance(one, Target)), None)

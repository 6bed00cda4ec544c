"""One line at a time, each kept or rejected by itself, with its place and the reason.

A record is a line, whatever its quotes say: an open quote spoils its own line and no other.
"""

import csv
import re
from datetime import UTC, datetime

from app.imports.readers.lines import LONGEST_LINE
from app.movie import FIRST_YEAR, LAST_YEAR
from app.rating import HIGHEST, LOWEST, MAX_ID, STEP

_INTEGER = re.compile(r"[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLANKS = " \t"
LATEST_TIME = 253_402_300_799
"""The last second of the year 9999."""


class BadField(Exception):
    """What is wrong with a field: (name of the column, value, reason)."""


def split(line: bytes, count: int) -> list[str]:
    """The fields of one line by the rules of RFC 4180, blanks around them left out. Raises `BadField`."""
    if len(line) > LONGEST_LINE:
        raise BadField("", line[:100].decode("utf-8", "replace"), f"longer than {LONGEST_LINE} bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise BadField("", line.decode("utf-8", "replace"), "not UTF-8") from None
    if not text.strip(_BLANKS):
        raise BadField("", "", "blank line")
    parts = text.split(",") if '"' not in text else _quoted(text)
    if len(parts) != count:
        raise BadField("", text, f"{len(parts)} columns where the header has {count}")
    return [part.strip(_BLANKS) for part in parts]


def _quoted(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error:
        raise BadField("", text, "a quote that is not closed, or not doubled, in this line") from None


def integer(column: str, text: str) -> int:
    """An id. Raises `BadField`."""
    if not _INTEGER.fullmatch(text):
        raise BadField(column, text, "missing" if not text else "not a whole number from 0")
    number = int(text)
    if number > MAX_ID:
        raise BadField(column, text, f"above {MAX_ID}")
    return number


def half_steps(column: str, text: str) -> int:
    """A score in half steps. Raises `BadField`."""
    if not _DECIMAL.fullmatch(text):
        raise BadField(column, text, "missing" if not text else "not a number")
    steps = float(text) / STEP
    if not LOWEST / STEP <= steps <= HIGHEST / STEP or not steps.is_integer():
        raise BadField(column, text, f"not on the scale of {LOWEST} to {HIGHEST:g} in steps of {STEP}")
    return int(steps)


def epoch(column: str, text: str, latest: int) -> int | None:
    """A time in epoch seconds from such, or from ISO 8601 (UTC unless it says); None for no text.

    Raises `BadField`, also for a time after `latest`.
    """
    if not text:
        return None
    seconds = int(text) if _INTEGER.fullmatch(text) else _iso(column, text)
    if not 0 <= seconds <= min(latest, LATEST_TIME):
        reason = "before 1970" if seconds < 0 else "in the future (times are epoch seconds or ISO 8601)"
        raise BadField(column, text, reason)
    return seconds


def _iso(column: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() // 1)
    except (ValueError, OverflowError):
        raise BadField(column, text, "neither epoch seconds nor an ISO 8601 time") from None


def text(column: str, value: str, longest: int) -> str:
    """A text of one line. Raises `BadField`."""
    if _CONTROL.search(value):
        raise BadField(column, value, "has control characters")
    if len(value) > longest:
        raise BadField(column, value, f"longer than {longest} characters")
    return value


def year(column: str, value: str) -> int | None:
    """A year; None for no text. Raises `BadField`."""
    if not value:
        return None
    if not _INTEGER.fullmatch(value) or not FIRST_YEAR <= int(value) <= LAST_YEAR:
        raise BadField(column, value, f"not a year from {FIRST_YEAR} to {LAST_YEAR}")
    return int(value)

"""One record at a time, each kept or rejected by itself, with its place and the reason."""

import csv
import re

from app.imports.readers.lines import LONGEST_LINE
from app.movie import FIRST_YEAR, LAST_YEAR
from app.rating import HIGHEST, LOWEST, MAX_ID, STEP

_INTEGER = re.compile(r"[0-9]{1,19}", re.ASCII)
_WHOLE = re.compile(r"([0-9]{1,19})\.0{1,9}", re.ASCII)
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){1,6}", re.ASCII)
_SCIENTIFIC = re.compile(r"([0-9])(?:\.([0-9]{1,17}))?[eE]\+?([0-9]{1,2})", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,9}(?:[.,][0-9]{1,9})?", re.ASCII)
OFF_SCALE = f"not on the scale of {LOWEST} to {HIGHEST:g} in steps of {STEP}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLANKS = " \t"


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
    """An id, also as spreadsheets write it: 7.0, "1,270", 1.0E+0. Raises `BadField`."""
    number = int(text) if _INTEGER.fullmatch(text) else _written_otherwise(column, text)
    if number > MAX_ID:
        raise BadField(column, text, f"above {MAX_ID}")
    return number


def _written_otherwise(column: str, text: str) -> int:
    if match := _WHOLE.fullmatch(text):
        return int(match[1])
    if _GROUPED.fullmatch(text):
        return int(text.replace(",", ""))
    match = _SCIENTIFIC.fullmatch(text)
    if not match:
        raise BadField(column, text, "missing" if not text else "not a whole number from 0")
    decimals, zeros = match[2] or "", int(match[3])
    if len(decimals) < zeros:
        raise BadField(column, text, "shortened by a spreadsheet: save the column as whole numbers")
    if decimals[zeros:].strip("0"):
        raise BadField(column, text, "not a whole number from 0")
    return int(match[1] + decimals[:zeros])


def decimal(column: str, text: str) -> float:
    """A number with a point or a comma before its decimals. Raises `BadField`."""
    if not _DECIMAL.fullmatch(text):
        raise BadField(column, text, "missing" if not text else "not a number")
    return float(text.replace(",", "."))


def half_steps(column: str, text: str) -> int:
    """A score in half steps. Raises `BadField`."""
    steps = decimal(column, text) / STEP
    if not LOWEST / STEP <= steps <= HIGHEST / STEP or not steps.is_integer():
        raise BadField(column, text, OFF_SCALE)
    return int(steps)


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

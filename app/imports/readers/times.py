"""When something was rated or watched, as files write it: numbers, ISO 8601, RFC 822, dates of any order.

What reads as a date is never taken for seconds. A date without a time is its noon in UTC, and may lie a day
ahead: east of Greenwich that day has begun. Then it counts as the start of the import.
"""

import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

from app.imports.readers.fields import BadField
from app.rating import CLOCK_TOLERANCE

DAY_FIRST, MONTH_FIRST = "day", "month"
"""The order of 5/1/2024 in a file, which one such date cannot tell."""
LATEST_TIME = 253_402_300_799
"""The last second of the year 9999."""
LONGEST = 64
FIRST_DATE, LAST_DATE = 19_000_101, 20_991_231
"""Eight digits between them may be a date, such as 20240105; the compiled lane leaves those to others."""
_MILLISECONDS = 100_000_000_000
"""Numbers from here on: as seconds they would lie after the year 5000."""
_DAY, _NOON = 86_400, 43_200
_EPOCH = date(1970, 1, 1).toordinal()

_DIGITS = re.compile(r"([0-9]{1,19})(?:\.[0-9]{1,9})?", re.ASCII)
_COMPACT = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])", re.ASCII)
_NUMERIC = re.compile(r"([0-9]{1,4})([/.-])([0-9]{1,2})\2([0-9]{1,4})(?:[ ,T]+(\S.*))?", re.ASCII)
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)? ?([AaPp][Mm])?", re.ASCII)
_ZONE = re.compile(r" ?(?:UTC|GMT|Z)$")
_WORDS = ("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%a %b %d %H:%M:%S %Y", "%d-%b-%Y")
_UNKNOWN = "not a time that is known (epoch seconds, ISO 8601, or a date)"


def epoch(column: str, text: str, start: int, order: str | None = None) -> int | None:
    """A time in epoch seconds; None for no text. `start`: of the import; `order`: `DAY_FIRST` or the other.

    Raises `BadField`, also for what lies in the future.
    """
    if not text:
        return None
    try:
        seconds, is_date = _read(text, order)
    except (ValueError, OverflowError, TypeError):
        raise BadField(column, text, _UNKNOWN) from None
    latest = _latest_date(start) if is_date else start + CLOCK_TOLERANCE
    if not 0 <= seconds <= min(latest, LATEST_TIME):
        reason = "before 1970" if seconds < 0 else "in the future (times are epoch seconds or ISO 8601)"
        raise BadField(column, text, reason)
    return min(seconds, start) if is_date else seconds


def order_of(text: str) -> tuple[str | None, bool]:
    """Which order a date shows, and whether it could be of either."""
    match = _NUMERIC.fullmatch(text)
    if not match or match[2] == "." or len(match[1]) > 2:
        return None, False
    first, second = int(match[1]), int(match[3])
    if first > 12:
        return DAY_FIRST, False
    return (MONTH_FIRST if second > 12 else None), second <= 12 and first != second


def _read(text: str, order: str | None) -> tuple[int, bool]:
    """Seconds, and whether the text is a date without a time. Raises `ValueError` and such."""
    if match := _DIGITS.fullmatch(text):
        if _COMPACT.fullmatch(text):
            return _noon(date(int(text[:4]), int(text[4:6]), int(text[6:]))), True
        number = int(match[1])
        return (number if number < _MILLISECONDS else number // 1000), False
    if len(text) > LONGEST:
        raise ValueError(text)
    try:
        moment = datetime.fromisoformat(_ZONE.sub("+00:00", text) if ":" in text else text)
    except ValueError:
        return _other(text, order)
    if len(text) <= 10 and "T" not in text:
        return _noon(moment.date()), True
    return _seconds(moment), False


def _other(text: str, order: str | None) -> tuple[int, bool]:
    if match := _NUMERIC.fullmatch(text):
        day = _numeric(match, order)
        return (_noon(day), True) if not match[5] else (_at(day, match[5]), False)
    for form in _WORDS:
        try:
            moment = datetime.strptime(text, form)
        except ValueError:
            continue
        return (_seconds(moment), False) if "%H" in form else (_noon(moment.date()), True)
    return _seconds(parsedate_to_datetime(text)), False


def _numeric(match: re.Match[str], order: str | None) -> date:
    first, second, third = (int(match[group]) for group in (1, 3, 4))
    if len(match[1]) == 4:
        return date(first, second, third)
    if len(match[1]) > 2 or len(match[4]) not in (2, 4):
        raise ValueError(match[0])
    year = third if len(match[4]) == 4 else 1900 + third + (100 if third < 70 else 0)
    if match[2] == "." or first > 12 or first == second:
        return date(year, second, first)
    if second > 12:
        return date(year, first, second)
    if order is None:
        raise ValueError(match[0])
    return date(year, second, first) if order == DAY_FIRST else date(year, first, second)


def _at(day: date, text: str) -> int:
    match = _CLOCK.fullmatch(_ZONE.sub("", text))
    if not match:
        raise ValueError(text)
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4]:
        if not 1 <= hour <= 12:
            raise ValueError(text)
        hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
    return _seconds(datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC))


def _seconds(moment: datetime) -> int:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() // 1)


def _noon(day: date) -> int:
    return (day.toordinal() - _EPOCH) * _DAY + _NOON


def _latest_date(start: int) -> int:
    """The noon of the day after the import's."""
    return start // _DAY * _DAY + _DAY + _NOON

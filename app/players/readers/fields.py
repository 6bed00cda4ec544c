"""Values in messages: players write numbers as texts, leave fields out, and send nulls."""

import math
import re
from datetime import UTC, datetime
from typing import Any

from app.imports.works import Work
from app.movie import FIRST_YEAR, LAST_YEAR, LONGEST_TITLE
from app.players.event import LONGEST_NAME, Ignored
from app.rating import CLOCK_TOLERANCE
from app.titles import trimmed

PLAYED = 0.9
"""The part of a movie that has to be played for it to count as watched."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_ID = re.compile(r"(?:tt)?0*([1-9][0-9]{0,11})", re.ASCII)
_SPOILT = re.compile(r"[{}]")
_MOVIE = "movie"


def part(message: dict[str, Any], name: str) -> dict[str, Any]:
    """An object in a message, empty if it is not there."""
    value = message.get(name)
    return value if isinstance(value, dict) else {}


def text(value: Any, longest: int = LONGEST_NAME) -> str:
    """A text of one line, "" for what is none. A place holder that a template left is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, str):
        value = value[: 4 * longest]
    shown = trimmed(_UNPRINTABLE.sub(" ", str(value)))[:longest]
    return "" if _SPOILT.search(shown) and shown[0] + shown[-1] == "{}" else shown


def number(value: Any) -> float | None:
    """A finite number, also one written as a text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value if not isinstance(value, str) else value[:40])
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "1", "yes"))


def share(position: Any, length: Any) -> float:
    """How much was played, 0 if that is not known."""
    at, whole = number(position), number(length)
    return at / whole if at is not None and whole else 0.0


def moment(value: Any, now: int) -> int:
    """A time as epoch seconds; `now` for what is none, or lies ahead of every clock."""
    found = _epoch(value)
    return found if found is not None and 0 < found <= now + CLOCK_TOLERANCE else now


def _epoch(value: Any) -> int | None:
    if (seconds := number(value)) is not None:
        return int(seconds / 1000 if seconds > 100_000_000_000 else seconds)
    try:
        at = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    try:
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (OverflowError, ValueError):
        return None


def stars(of_ten: Any) -> float | None:
    """A score of ten as one of five in half steps, halves up; None for none."""
    found = number(of_ten)
    if found is None or not 0 < found <= 10:
        return None
    return max(1, math.floor(found + 0.5)) / 2


def work(titles: list[Any], year: Any, imdb: Any, tmdb: Any) -> Work:
    """What a message says of a movie. Raises `Ignored` if that is nothing."""
    named = tuple(dict.fromkeys(filter(None, (text(title, LONGEST_TITLE) for title in titles))))
    of = number(year)
    known_year = int(of) if of is not None and FIRST_YEAR <= of <= LAST_YEAR else None
    imdb_id, tmdb_id = _id(imdb), _id(tmdb)
    if not named and imdb_id is None and tmdb_id is None:
        raise Ignored("The message names no movie.")
    return Work(named or (_nameless(imdb_id, tmdb_id),), known_year, imdb_id, tmdb_id)


def _id(value: Any) -> int | None:
    match = _ID.fullmatch(text(value))
    return int(match[1]) if match else None


def _nameless(imdb_id: int | None, tmdb_id: int | None) -> str:
    return f"tt{imdb_id:07}" if imdb_id is not None else f"TMDB {tmdb_id}"


def require_movie(kind: Any, title: Any, series: Any = "") -> None:
    """Raises `Ignored` for what is no movie, by its name."""
    if (shown := text(kind)).lower() != _MOVIE:
        name = " of ".join(f"{one!r}" for one in (text(title), text(series)) if one) or "It"
        raise Ignored(f"{name} is {f'of the kind {shown!r}' if shown else 'of no kind'}, not a movie.")

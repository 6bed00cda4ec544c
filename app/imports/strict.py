"""The strict lane: one line at a time, each kept or rejected by itself, with its place and the reason.

A record is a line, whatever its quotes say: an open quote spoils its own line and no other.
"""

import csv
import re
from collections.abc import Callable, Container, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from app.arrays import Integers
from app.imports.columns import UNTIMED, Columns
from app.imports.formats import Format
from app.imports.lines import LONGEST_LINE
from app.imports.rejects import Reject
from app.imports.spreadsheets import unescape
from app.movie import FIRST_YEAR, LAST_YEAR, LONGEST_GENRE, LONGEST_TITLE, split_title
from app.rating import CLOCK_TOLERANCE, HIGHEST, LOWEST, MAX_ID, STEP

_INTEGER = re.compile(r"[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLANKS = " \t"
UNKNOWN_MOVIE = "unknown movie"
LATEST_TIME = 253_402_300_799
"""The last second of the year 9999."""
NO_GENRES = "(no genres listed)"


class BadField(Exception):
    """What is wrong with a field: (name of the column, value, reason)."""


Spooled = tuple[Any, ...]
"""A good row of a movies or links file: the line number, the id, the rest."""


class RatingRow(NamedTuple):
    """`score` in half steps; `rated_at` None where the file has no time."""

    user_id: int
    movie_id: int
    score: int
    rated_at: int | None


def fields(line: bytes, count: int) -> list[str]:
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


def rating_parser(known: Format, header: list[str], start: int) -> Callable[[bytes], RatingRow]:
    """The function that reads one line of that format; it raises `BadField`."""
    place = {name: header.index(text) for name, text in known.columns.items() if text in header}
    user, movie, score = (known.columns[name] for name in ("user_id", "movie_id", "score"))
    user_at, movie_at, score_at = place["user_id"], place["movie_id"], place["score"]
    time_at, time = place.get("rated_at"), known.columns.get("rated_at", "")
    count, latest = len(header), start + CLOCK_TOLERANCE

    def parse(line: bytes) -> RatingRow:
        row = fields(line, count)
        rated_at = None if time_at is None else epoch(time, row[time_at], latest)
        return RatingRow(
            integer(user, row[user_at]),
            integer(movie, row[movie_at]),
            half_steps(score, row[score_at]),
            rated_at,
        )

    return parse


def ratings(
    lines: Iterable[tuple[int, bytes]],
    parse: Callable[[bytes], RatingRow],
    known_movies: Container[int],
    movie_column: str,
    start: int,
) -> tuple[Columns, Integers, list[Reject]]:
    """The good rows of some (number, line) with their line numbers, and the rejected ones."""
    good: list[tuple[int, int, int, int, int]] = []
    rejects = []
    for number, line in lines:
        try:
            user_id, movie_id, score, rated_at = parse(line)
            if movie_id not in known_movies:
                raise BadField(movie_column, str(movie_id), UNKNOWN_MOVIE)
        except BadField as bad:
            rejects.append(Reject(number, *bad.args))
            continue
        if rated_at is None:
            score, rated_at = score | UNTIMED, start
        good.append((user_id, movie_id, rated_at, score, number))
    table = np.array(good, dtype=np.int64).reshape(-1, 5)
    columns = Columns(table[:, 0], table[:, 1], table[:, 2], table[:, 3].astype(np.uint8))
    return columns, table[:, 4], rejects


def movies(
    lines: list[bytes], first_line: int, known: Format, header: list[str], ids: set[int]
) -> Iterator[Spooled | Reject]:
    """Each line as (line number, id, title, year, genre) or as a reject. New ids are added to `ids`."""
    for row in _each(lines, first_line, header, lambda row: _movie(row, known)):
        if not isinstance(row, Reject):
            ids.add(row[1])
        yield row


def links(
    lines: list[bytes], first_line: int, known: Format, header: list[str], ids: set[int]
) -> Iterator[Spooled | Reject]:
    """Each line as (line number, movie id, IMDb id, TMDB id) or as a reject."""
    return _each(lines, first_line, header, lambda row: _link(row, known, ids))


def _each(
    lines: list[bytes],
    first_line: int,
    header: list[str],
    read: Callable[[dict[str, str]], tuple[Any, ...]],
) -> Iterator[Spooled | Reject]:
    for number, line in enumerate(lines, first_line):
        try:
            yield number, *read(dict(zip(header, fields(line, len(header)), strict=True)))
        except BadField as bad:
            yield Reject(number, *bad.args)


def _movie(row: dict[str, str], known: Format) -> tuple[int, str, int | None, str | None]:
    name = known.columns
    movie_id = integer(name["id"], row[name["id"]])
    title = _text(name["title"], row[name["title"]], LONGEST_TITLE, known)
    genre = _text(name["genre"], row[name["genre"]], LONGEST_GENRE, known)
    if not title:
        raise BadField(name["title"], "", "missing")
    if known.catalogue_titles:
        title, year = split_title(title)
    else:
        year = _year(name["year"], row[name["year"]])
    return movie_id, title, year, None if genre in ("", NO_GENRES) else genre


def _text(column: str, text: str, longest: int, known: Format) -> str:
    if known.escaped:
        text = unescape(text)
    if _CONTROL.search(text):
        raise BadField(column, text, "has control characters")
    if len(text) > longest:
        raise BadField(column, text, f"longer than {longest} characters")
    return text


def _year(column: str, text: str) -> int | None:
    if not text:
        return None
    if not _INTEGER.fullmatch(text) or not FIRST_YEAR <= int(text) <= LAST_YEAR:
        raise BadField(column, text, f"not a year from {FIRST_YEAR} to {LAST_YEAR}")
    return int(text)


def _link(row: dict[str, str], known: Format, ids: set[int]) -> tuple[int, int | None, int | None]:
    column, imdb_id, tmdb_id = (known.columns[name] for name in ("id", "imdb_id", "tmdb_id"))
    movie_id = integer(column, row[column])
    if movie_id not in ids:
        raise BadField(column, row[column], UNKNOWN_MOVIE)
    return (
        movie_id,
        integer(imdb_id, row[imdb_id]) if row[imdb_id] else None,
        integer(tmdb_id, row[tmdb_id]) if row[tmdb_id] else None,
    )

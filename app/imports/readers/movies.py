"""The movie that a row is about: by its id here, by those of IMDb and TMDB, or by title and year."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from app.imports.matching import Matcher
from app.imports.readers import columns, fields, formats, reader
from app.imports.readers.fields import BadField
from app.imports.readers.ratings import UNKNOWN_MOVIE
from app.imports.works import Candidate, Match, Work
from app.movie import LONGEST_TITLE
from app.titles import split_title

OTHER_WORK = "is no movie but another work"
TAKEN = "Another row, of another title, year or id, is that movie already."
_IMDB = re.compile(r"(?:.*\btt|tt)?([0-9]{1,12})(?:\.0)?(?:/.*)?", re.ASCII)
_YEAR = re.compile(r"\b(1[89][0-9]{2}|2[01][0-9]{2})\b", re.ASCII)
_OTHER_WORKS = re.compile(
    "series|serie|episode|folge|game|podcast|season|staffel|show|book|buch|livre|libro|person"
)
_DIGITS = 20
"""Of an id fewer than that."""
_TELEVISION = ("tv", "musicvideo")
_TELLING = (columns.TITLE, columns.ORIGINAL, columns.IMDB, columns.TMDB)


class Unfound(NamedTuple):
    """A work whose movie is not there: what is shown of it, and what its match says."""

    work: Work
    title: str
    match: Match


class Finder:
    """Finds movies by the texts of a row, whose roles `names` maps to the columns' names in the file."""

    def __init__(self, context: reader.Context, names: columns.Columns) -> None:
        self._known, self._names, self._merged = context.known_movies, names, context.merged
        self._claims = context.shared.claims
        self._aliases: Mapping[str, int] = {}
        self._matcher: Matcher | None = None
        if columns.MOVIE not in names.places:
            self._matcher, self._aliases = _matcher(context), context.aliases()

    def find(self, text: Mapping[str, str], user_id: int) -> int | Unfound:
        """The id of the movie of a person's row. Raises `BadField` for what is or may be no movie."""
        if self._matcher is None:
            name = self._names.name(columns.MOVIE)
            movie_id = fields.integer(name, text[columns.MOVIE])
            if movie_id not in self._known:
                raise BadField(name, str(movie_id), UNKNOWN_MOVIE)
            return movie_id
        work = self._work(text)
        if (chosen := self._aliases.get(work.key)) is not None:
            return self._merged.get(chosen, chosen)
        match = self._matcher.match(work)
        if match.movie_id is None and self._is_here(text, work):
            match = Match(int(text[formats.OWN_ID]), "the same id, title and year")
        if match.movie_id is None:
            if work.other:
                reason = f"{OTHER_WORK} ({work.other})"
                raise BadField(self._names.name(columns.TYPE), _shown(text), reason)
            return Unfound(work, _shown_title(text), match)
        if self._claims[user_id].is_taken(match.movie_id, work):
            return Unfound(
                work, _shown_title(text), Match(None, TAKEN, (Candidate(match.movie_id, match.why),))
            )
        return match.movie_id

    def _is_here(self, text: Mapping[str, str], work: Work) -> bool:
        """Whether the id that the file has is that of a movie of the same title and year here."""
        own = text.get(formats.OWN_ID, "")
        is_id = own.isdecimal() and len(own) < _DIGITS
        return is_id and self._matcher is not None and self._matcher.is_of(int(own), work)

    def _work(self, text: Mapping[str, str]) -> Work:
        """Raises `BadField` for a row that tells none."""
        year, found = _year(text), list[str]()
        for role in (columns.TITLE, columns.ORIGINAL):
            if title := text.get(role, ""):
                title, year = split_title(title) if year is None else (title, year)
                found.append(fields.text(self._names.name(role), title, LONGEST_TITLE))
        imdb, tmdb = _imdb(text.get(columns.IMDB, "")), _tmdb(text.get(columns.TMDB, ""))
        if not found and imdb is None and tmdb is None:
            role = next((r for r in _TELLING if text.get(r)), columns.TITLE)
            reason = "no id of a movie" if text.get(role) else "missing"
            raise BadField(self._names.name(role), text.get(role, ""), reason)
        other = another_work(text.get(columns.TYPE, ""))
        return Work(tuple(found), year, imdb, None if other else tmdb, other or None)


def _matcher(context: reader.Context) -> Matcher:
    """The one of the import, made for the first file that needs it."""
    shared = context.shared
    if shared.matcher is None:
        ids = partial(_ids, context.imdb_ids), partial(_ids, context.tmdb_ids)
        shared.matcher = Matcher(context.titles, *ids)
    return shared.matcher


def _ids(read: Callable[[], Sequence[Sequence[int]]]) -> dict[int, int]:
    return dict(zip(*read(), strict=True))


def another_work(kind: str) -> str:
    """What a type says of a work that is no movie, "" for a movie."""
    name = columns.key(kind)
    return kind if name in _TELEVISION or _OTHER_WORKS.search(name) else ""


def _imdb(text: str) -> int | None:
    match = _IMDB.fullmatch(text) if text and len(text) <= 200 else None
    return int(match[1]) if match else None


def _tmdb(text: str) -> int | None:
    number = text.removesuffix(".0")
    return int(number) if number.isascii() and number.isdecimal() and len(number) <= 12 else None


def _year(text: Mapping[str, str]) -> int | None:
    for role in (columns.YEAR, columns.RELEASED):
        if match := _YEAR.search(text.get(role, "")[:40]):
            return int(match[1])
    return None


def _shown_title(text: Mapping[str, str]) -> str:
    """The title, without the year that may stand in it, or else the id."""
    title = text.get(columns.TITLE) or text.get(columns.ORIGINAL)
    if not title:
        return text.get(columns.IMDB) or text.get(columns.TMDB) or ""
    return split_title(title)[0] if _year(text) is None else title


def _shown(text: Mapping[str, str]) -> str:
    """A row as a person would say which movie it is about."""
    title = _shown_title(text)
    year = text.get(columns.YEAR) or _year(text)
    return f"{title} ({year})" if year else title

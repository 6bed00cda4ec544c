"""The movie that a row is about: by its id here, by those of IMDb and TMDB, or by title and year."""

import re
from collections.abc import Mapping

from app.imports.matching import Matcher
from app.imports.readers import columns, fields, reader
from app.imports.readers.fields import BadField
from app.imports.readers.ratings import UNKNOWN_MOVIE
from app.titles import split_title

OTHER_WORK = "is no movie but another work"
NOT_FOUND = "no movie of that title and year is known"
_IMDB = re.compile(r"(?:.*\btt|tt)?([0-9]{1,12})(?:\.0)?(?:/.*)?", re.ASCII)
_YEAR = re.compile(r"\b(1[89][0-9]{2}|2[01][0-9]{2})\b", re.ASCII)
_OTHER_WORKS = re.compile(
    "series|serie|episode|folge|game|podcast|season|staffel|show|book|buch|livre|libro|person"
)
_TELEVISION = ("tv", "musicvideo")


class Finder:
    """Finds movies by the texts of a row, whose roles `names` maps to the columns' names in the file."""

    def __init__(self, context: reader.Context, names: columns.Columns) -> None:
        self._known, self._names = context.known_movies, names
        self._imdb_ids: dict[int, int] = {}
        self._tmdb_ids: dict[int, int] = {}
        self._matcher: Matcher | None = None
        if columns.MOVIE not in names.places:
            titles, imdb_ids = context.titles()
            self._imdb_ids = dict(imdb_ids)
            self._matcher = Matcher(map(tuple, titles), self._imdb_ids)
        if columns.TMDB in names.places:
            self._tmdb_ids = dict(context.tmdb_ids())

    def find(self, text: Mapping[str, str]) -> int:
        """The id of the movie. Raises `BadField`."""
        if self._matcher is None:
            name = self._names.name(columns.MOVIE)
            movie_id = fields.integer(name, text[columns.MOVIE])
            if movie_id not in self._known:
                raise BadField(name, str(movie_id), UNKNOWN_MOVIE)
            return movie_id
        imdb = _imdb(text.get(columns.IMDB, ""))
        if imdb in self._imdb_ids:
            return self._imdb_ids[imdb]
        if kind := another_work(text.get(columns.TYPE, "")):
            raise BadField(self._names.name(columns.TYPE), _shown(text), f"{OTHER_WORK} ({kind})")
        tmdb = text.get(columns.TMDB, "").removesuffix(".0")
        if tmdb.isdecimal() and int(tmdb) in self._tmdb_ids:
            return self._tmdb_ids[int(tmdb)]
        return self._by_title(self._matcher, text, imdb)

    def _by_title(self, matcher: Matcher, text: Mapping[str, str], imdb: int | None) -> int:
        year = _year(text)
        for role in (columns.TITLE, columns.ORIGINAL):
            if title := text.get(role, ""):
                title, own = split_title(title) if year is None else (title, year)
                if (movie_id := matcher.find(title, own, imdb)) is not None:
                    return movie_id
        role = next((r for r in (columns.TITLE, columns.IMDB, columns.TMDB) if text.get(r)), columns.TITLE)
        reason = NOT_FOUND if role == columns.TITLE else "no movie of that id is known"
        raise BadField(self._names.name(role), _shown(text), reason if text.get(role) else "missing")


def another_work(kind: str) -> str:
    """What a type says of a work that is no movie, "" for a movie."""
    name = columns.key(kind)
    return kind if name in _TELEVISION or _OTHER_WORKS.search(name) else ""


def _imdb(text: str) -> int | None:
    match = _IMDB.fullmatch(text) if text and len(text) <= 200 else None
    return int(match[1]) if match else None


def _year(text: Mapping[str, str]) -> int | None:
    for role in (columns.YEAR, columns.RELEASED):
        if match := _YEAR.search(text.get(role, "")[:40]):
            return int(match[1])
    return None


def _shown(text: Mapping[str, str]) -> str:
    """A row as a person would say which movie it is about."""
    title = text.get(columns.TITLE) or text.get(columns.ORIGINAL)
    if not title:
        return text.get(columns.IMDB) or text.get(columns.TMDB) or ""
    year = text.get(columns.YEAR) or _year(text)
    return f"{title} ({year})" if year else title

"""The tables of known sources: by which columns each is recognised, what these are, and its own scale."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from app.imports.readers import reader, records, scales
from app.imports.readers.columns import (
    AT,
    GENRE,
    ID,
    IMDB,
    ORIGINAL,
    RELEASED,
    SCORE,
    TITLE,
    TMDB,
    TYPE,
    USER,
    YEAR,
    Columns,
    key,
)
from app.imports.readers.fields import BadField
from app.imports.spreadsheets import unescape
from app.mark import Mark

LOGGED, THUMB, RATING_TYPE, EXTRA, PROFILE = "logged", "thumb", "rating_type", "extra", "profile"
WHAT, IS_SET, OWN_ID = "what", "is_set", "own_id"
"""Roles that only known sources have. `LOGGED`: the time that counts where `AT` is empty; `WHAT`: the mark;
`OWN_ID`: the movie's id in the service that wrote the file, which may be another one.
"""

Texts = dict[str, str]
"""The fields of a row by role."""


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of table. `columns`: roles to the names, as `key` makes them, that a header may have for them.

    A header fits that has all of `needed` and none of `without`, in a file named like `file`. `mark`: what a
    row without a score says. `adapt` makes of a row's texts what the others have; it raises `BadField`.
    """

    name: str
    rows: str
    needed: frozenset[str]
    columns: dict[str, str]
    without: frozenset[str] = frozenset()
    exact: bool = False
    file: str = ""
    scale: scales.Scale | None = None
    mark: str = ""
    adapt: Callable[[Texts], Texts] | None = None

    def fit(self, header: Sequence[str], file: str) -> Columns | None:
        """The columns of a header, None if it is of another format."""
        keys = [key(name) for name in header]
        named = [name for name in keys if name]
        if not self.needed.issubset(named) or self.without.intersection(named):
            return None
        if (self.exact and len(named) != len(self.needed)) or len(set(named)) != len(named):
            return None
        if self.file and not re.search(self.file, PurePosixPath(file.replace("\\", "/")).name.lower()):
            return None
        found = {role: [n for n in names.split() if n in named] for role, names in self.columns.items()}
        return Columns(tuple(header), {role: keys.index(names[0]) for role, names in found.items() if names})


class Layout(NamedTuple):
    """What the first lines of a table say. `skip`: lines before the first record; `quoted`: see `Shape`."""

    format: Format
    columns: Columns
    separator: str
    skip: int
    quoted: bool = True

    @property
    def shape(self) -> records.Shape:
        header = self.columns.header
        least = max((place for place, name in enumerate(header, 1) if name), default=0)
        return records.Shape(self.separator, len(header), least, self.quoted)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EPISODE = re.compile(
    r": (?:season|series|staffel|saison|temporada|stagione|seizoen|part|teil|partie|parte|deel|volume|book|"
    r"chapter|limited series|miniserie|miniserie?s|episode|folge|épisode|episodio|episódio|aflevering)\b.*:|"
    r": (?:season|series|staffel|saison|temporada|stagione|seizoen) [0-9]+|: .*: (?:episode|folge|épisode) ",
    re.IGNORECASE,
)


def _netflix_title(text: Texts) -> Texts:
    if _EPISODE.search(text[TITLE]):
        raise BadField("Title", text[TITLE], "is no movie but an episode of a series")
    if text.get(EXTRA):
        raise BadField("Supplemental Video Type", text[EXTRA], "is no movie but a trailer or the like")
    return text


_THUMBS = {"1": "0.5", "2": "4.5", "3": "5"}


def _netflix_rating(text: Texts) -> Texts:
    """Stars of five, or thumbs: down, up, and two up."""
    if "thumb" in text[RATING_TYPE].casefold():
        return text | {SCORE: _THUMBS.get(text[THUMB], "")}
    return text


def _said(text: Texts) -> Texts:
    """Of our own export: a row is a score, or a mark with 1, or with 0 if it was taken away."""
    text = text | {TITLE: unescape(text[TITLE])}
    if text[WHAT] == "rating":
        return text | {WHAT: ""}
    if text[WHAT] not in list(Mark):
        raise BadField("what", text[WHAT], f"neither rating nor one of {', '.join(Mark)}")
    if text[SCORE] not in ("0", "1"):
        raise BadField("value", text[SCORE], "neither 1 nor 0, as a mark is set or taken away")
    return text | {SCORE: "", IS_SET: text[SCORE]}


_LETTERBOXD = {TITLE: "name", YEAR: "year", AT: "date"}
_DIARY = _LETTERBOXD | {AT: "watcheddate", LOGGED: "date", SCORE: "rating"}
_SCORES = _names("rating score yourrating yourated myrating")
_FILMS = _names("date name year letterboxduri")
_IMDB = {
    IMDB: "const", SCORE: "yourrating yourated", TITLE: "title", ORIGINAL: "originaltitle", YEAR: "year",
    TYPE: "titletype", AT: "daterated modified created", LOGGED: "created",
}  # fmt: skip
_TMDB = {
    TMDB: "tmdbid", IMDB: "imdbid", TYPE: "type", TITLE: "name", RELEASED: "releasedate", SCORE: "yourrating",
    AT: "daterated",
}  # fmt: skip

_LISTS = ((reader.WATCHLIST, "watchlist"), (reader.WATCHED, "watched"), (reader.LIKE, "films|like"))
DIARY, REVIEWS, LETTERBOXD = "letterboxd-diary", "letterboxd-reviews", "letterboxd-ratings"
FORMATS = [
    Format(
        "marks", reader.RATINGS, _names("movieid title what value at"),
        {
            USER: "userid", OWN_ID: "movieid", TITLE: "title", YEAR: "year", IMDB: "imdbid", TMDB: "tmdbid",
            WHAT: "what", SCORE: "value", AT: "at",
        },
        scale=scales.STARS, adapt=_said,
    ),
    Format(
        REVIEWS, reader.RATINGS, _FILMS | _names("rating review watcheddate"), _DIARY,
        scale=scales.STARS, mark=reader.WATCHED,
    ),
    Format(
        DIARY, reader.RATINGS, _FILMS | _names("rating watcheddate"), _DIARY,
        scale=scales.STARS, mark=reader.WATCHED,
    ),
    Format(
        LETTERBOXD, reader.RATINGS, _FILMS | _names("rating"), _LETTERBOXD | {SCORE: "rating"},
        scale=scales.STARS,
    ),
    *(
        Format(f"letterboxd-{mark}", reader.MARKS, _FILMS, _LETTERBOXD, exact=True, file=file, mark=mark)
        for mark, file in _LISTS
    ),
    Format(
        "imdb-watchlist", reader.RATINGS, _names("const title created"), _IMDB, file="watchlist",
        scale=scales.TEN, mark=reader.WATCHLIST,
    ),
    Format(
        "imdb-list", reader.RATINGS, _names("position const title created yourrating"), _IMDB,
        scale=scales.TEN,
    ),
    Format("imdb-ratings", reader.RATINGS, _names("const title yourrating"), _IMDB, scale=scales.TEN),
    Format("imdb-ratings", reader.RATINGS, _names("const title yourated"), _IMDB, scale=scales.TEN),
    Format("tmdb-ratings", reader.RATINGS, _names("tmdbid name yourrating"), _TMDB, scale=scales.TEN),
    Format(
        "kinopoisk-ratings", reader.RATINGS, _names("namerus rating"),
        {TITLE: "namerus", ORIGINAL: "nameeng", YEAR: "year", SCORE: "rating", AT: "date"}, scale=scales.TEN,
    ),
    Format(
        "douban-ratings", reader.RATINGS, _names("标题 评分"), {TITLE: "标题", SCORE: "评分", AT: "日期"},
        scale=scales.FIVE,
    ),
    Format(
        "netflix-ratings", reader.RATINGS, _names("profilename titlename ratingtype starvalue thumbsvalue"),
        {
            TITLE: "titlename", SCORE: "starvalue", THUMB: "thumbsvalue", RATING_TYPE: "ratingtype",
            AT: "eventutcts", PROFILE: "profilename",
        },
        scale=scales.FIVE, adapt=_netflix_rating,
    ),
    Format(
        "netflix-viewing-activity", reader.MARKS, _names("profilename starttime title supplementalvideotype"),
        {TITLE: "title", AT: "starttime", EXTRA: "supplementalvideotype", PROFILE: "profilename"},
        mark=reader.WATCHED, adapt=_netflix_title,
    ),
    Format(
        "netflix-history", reader.MARKS, _names("title date"), {TITLE: "title", AT: "date"}, exact=True,
        mark=reader.WATCHED, adapt=_netflix_title,
    ),
    Format(
        "movies", reader.MOVIES, _names("id title year genre"),
        {ID: "id", TITLE: "title", YEAR: "year", GENRE: "genre"}, without=_SCORES,
    ),
    Format(
        "movielens-movies", reader.MOVIES, _names("movieid title genres"),
        {ID: "movieid", TITLE: "title", GENRE: "genres"}, without=_SCORES | {"userid"},
    ),
    Format(
        "movielens-links", reader.LINKS, _names("movieid imdbid tmdbid"),
        {ID: "movieid", IMDB: "imdbid", TMDB: "tmdbid"}, without=_SCORES | {"userid"},
    ),
]  # fmt: skip
"""The first one that fits reads a file. A new source is an entry here."""


def is_list_of_letterboxd(header: Sequence[str]) -> bool:
    """Whether a file has the columns of a list of movies, whatever the list says of them."""
    return {key(name) for name in header} == _FILMS

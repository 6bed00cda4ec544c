"""Finding movies by what people type of a title: all of it, its words, beginnings of them, near misses."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.movie import FIRST_YEAR, Movie, genre_key
from app.repository.movies import Years, by_ids
from app.repository.near_words import WHOLE_WORDS, Costs, near
from app.storage.database import Database, database_of
from app.storage.prepared import Prepared
from app.storage.schema import movies
from app.storage.title_terms import Condition
from app.titles import (
    leading_article,
    name_key,
    name_term,
    spellings,
    split_title,
    without_article,
    words,
)

DEPTH, NEAR_DEPTH = 500, 100
"""Movies of one group at most, the most rated ones: so a search for "the" costs little more than another."""
FEW = 5
"""With fewer found, a search goes on to what fits less."""
MOST_WORDS = 20
LAST_YEAR_MEANT = 2100
EXACT, ALL_WORDS, BEGINNINGS, NEAR = range(4)
MOST_COST = 9
SHORTEST_NAME = 2
"""Letters of a name that may be the beginning of another."""
_AFTER_HEAD = re.compile(r"[:(]| [-–—] ")

Place = tuple[int, int, int]
"""Of a movie in the list of what is found: (rank, ratings, id). Small ranks come first, then many ratings."""


class Row(NamedTuple):
    """What the place of a movie depends on."""

    id: int
    title: str
    search_key: str
    year: int | None
    rating_count: int


Rank = Callable[[Row], int]
_ROW = sa.select(*(movies.c[name] for name in Row._fields))
_FILTERS = {
    "genre": movies.c.genre_key.like(sa.bindparam("genre"), escape="/"),
    "first": movies.c.year >= sa.bindparam("first"),
    "last": movies.c.year <= sa.bindparam("last"),
}


@functools.cache
def _query(*filters: str) -> Prepared:
    """The most rated movies that match, with these filters. To build it takes longer than to run it."""

    def build(kind: type[Database]) -> sa.Select[Any]:
        matching = kind.titles.matching(sa.bindparam("match", type_=sa.Text))
        query = _ROW.where(movies.c.id.in_(matching), *(_FILTERS[name] for name in filters))
        order = (movies.c.rating_count.desc(), movies.c.id)
        return query.order_by(*order).limit(sa.bindparam("depth", type_=sa.Integer))

    return Prepared(build)


def _escaped(text: str) -> str:
    """For a LIKE with the escape "/"."""
    return re.sub("[/%_]", r"/\g<0>", text)


class Found(NamedTuple):
    movie: Movie
    place: Place


class Reading(NamedTuple):
    """A way to read a query: words of a title, and the year that the movie is of, or one next to it."""

    words: list[str]
    year: int | None = None


def readings(text: str) -> list[Reading]:
    """The ways to read a query, the closest to its letters first. A number may be a word or the year."""
    text, year = split_title(text)
    found = list(dict.fromkeys(words(leading_article(text, any_case=True))))[:MOST_WORDS]
    if year is not None and found:
        return [Reading(found, year), Reading(found)]
    years = [word for word in found if re.fullmatch(r"\d{4}", word, re.ASCII)]
    years = [word for word in years if FIRST_YEAR <= int(word) <= LAST_YEAR_MEANT]
    if not years or len(found) == 1:
        return [Reading(found)]
    rest = [word for word in found if word != years[-1]]
    return [Reading(found), Reading(rest, int(years[-1])), Reading(rest)]


def search(
    connection: Connection,
    text: str,
    *,
    limit: int,
    after: tuple[int, ...] | None = None,
    genre: str | None = None,
    years: Years = (None, None),
) -> list[Found]:
    """Movies that match every filter and whose titles fit `text`, the best first, from the one after a place.

    Four groups: the exact title, all words, beginnings of all words, near misses. Within one the closest come
    first, then the most rated. `DEPTH` of each are found at most.
    """
    found = _Search(connection, genre, years)
    ways = readings(text)
    if not ways[0].words:
        found.add([[(name_term(text),)]], lambda _: 0)
        ways = []
    for level, reading in enumerate(ways):
        if found.goes_on:
            _by_words(found, reading, level)
    if ways and found.goes_on:
        _by_near_words(found, ways[-1].words, len(ways))
    return found.listed(limit, after)


@dataclass
class _Search:
    """What one search has found so far: rank and row by id."""

    connection: Connection
    genre: str | None
    years: Years
    rows: dict[int, tuple[int, Row]] = field(default_factory=dict)
    is_exact: bool = False  # a title is the one that was typed

    @property
    def goes_on(self) -> bool:
        """Whether to look for what fits less."""
        return len(self.rows) < FEW and not self.is_exact

    def add(
        self, condition: Condition, rank: Rank, years: Years = (None, None), *, depth: int = DEPTH
    ) -> None:
        """Add the movies for which the condition holds; one that is there keeps its place."""
        if len(self.rows) >= DEPTH:
            return
        match, filters = database_of(self.connection).titles.text_of(condition), self._filters(years)
        rows = _query(*filters).rows(self.connection, match=match, depth=depth, **filters)
        for row in map(Row._make, rows):
            if row.id not in self.rows:
                self.rows[row.id] = (rank(row), row)

    def _filters(self, years: Years) -> dict[str, Any]:
        """The values of the filters by name: those of the caller, and `years` of a reading."""
        first, last = (
            [year for year in bounds if year is not None] for bounds in zip(self.years, years, strict=True)
        )
        genre = {"genre": f"%{_escaped(genre_key(self.genre))}%"} if self.genre else {}
        return genre | ({"first": max(first)} if first else {}) | ({"last": min(last)} if last else {})

    def listed(self, limit: int, after: tuple[int, ...] | None) -> list[Found]:
        order = sorted((rank, -row.rating_count, row.id) for rank, row in self.rows.values())
        if after is not None:
            rank, count, movie_id = after
            order = [place for place in order if place > (rank, -count, movie_id)]
        places = [(rank, -count, movie_id) for rank, count, movie_id in order[:limit]]
        whole = by_ids(self.connection, [movie_id for *_, movie_id in places])
        return [Found(whole[place[2]], place) for place in places]


def _by_words(found: _Search, reading: Reading, level: int) -> None:
    """Add what has the words of a reading, in three groups."""
    years = (reading.year - 1, reading.year + 1) if reading.year else (None, None)
    needed = without_article(reading.words)
    name = name_term(" ".join(reading.words))
    begun = tuple(
        word if len(word) == 1 or (word in WHOLE_WORDS and word != needed[-1]) else f"{word}*"
        for word in needed
    )
    groups: list[Condition] = [
        [[(name,)]],
        [[(spelt,) for spelt in spellings(word)] for word in needed],
        [[(f"{name}*",), begun]],
    ]
    for group, condition in enumerate(groups):
        if group == BEGINNINGS and _is_whole(found, reading.words):
            continue
        found.add(condition, _rank(level, group, reading), years)
        found.is_exact |= group == EXACT and bool(found.rows)


def _is_whole(found: _Search, typed: list[str]) -> bool:
    """Whether the query is no beginning: a single letter, or several words that are a title."""
    return (found.is_exact and len(typed) > 1) or len(name_key(" ".join(typed))) < SHORTEST_NAME


def _rank(level: int, group: int, reading: Reading) -> Rank:
    """Ranks by level and group, then distance in years, then how the title has the words."""
    text = " ".join(without_article(reading.words))
    key = name_key(text)

    def rank(row: Row) -> int:
        years = abs(row.year - reading.year) if reading.year and row.year else 0
        closeness = _closeness(row, text, " ".join(reading.words), key)
        return ((level * 4 + group) * 100 + min(years, 9)) * 10 + closeness

    return rank


def _closeness(row: Row, text: str, whole: str, key: str) -> int:
    """From 0, the title as it was typed, over its head before a colon and its beginning to words anywhere."""
    title = row.search_key
    if title == whole:
        return 0
    if name_key(_AFTER_HEAD.split(row.title)[0]) == key:
        return 1
    if title.startswith((text, f"the {text}")):
        return 2
    return 3 if f" {text}" in title else 4


def _by_near_words(found: _Search, typed: list[str], level: int) -> None:
    for way in near(found.connection, typed):
        found.add([list(costs) for costs in way], partial(_near_rank, way, level), depth=NEAR_DEPTH)


def _near_rank(way: list[Costs], level: int, row: Row) -> int:
    """Ranks by what the words that the title has cost in place of those that were typed.

    Then comes a title without further words. Among the others the ratings decide: they tell better than
    the length which of a series is meant.
    """
    there = row.search_key.split()
    costs = (
        min((cost for terms, cost in some.items() if _has(there, terms)), default=MOST_COST) for some in way
    )
    is_longer = len(without_article(there)) > len(way)
    return ((level * 4 + NEAR) * 100 + min(sum(costs), 99)) * 10 + is_longer


def _has(there: list[str], terms: tuple[str, ...]) -> bool:
    """Whether a title has all the terms, of which one that ends with "*" is a beginning."""
    return all(
        term in there or (term[-1] == "*" and any(word.startswith(term[:-1]) for word in there))
        for term in terms
    )

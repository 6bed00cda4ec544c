"""Finding the movie of a personal rating: by IMDb or TMDB id, else by title and year.

A match that is not certain is none: a wrong movie is worse than a row that waits. What is near is offered.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import NamedTuple

from app.imports.known_titles import KnownTitles, Row
from app.imports.names import Form, exact_names, names, words
from app.imports.works import Candidate, Match, Work
from app.movie import LONGEST_TITLE

MOST_CANDIDATES = 3
_COMMON_WORD = 400
"""Movies with a word in their title above which that word tells nothing."""
_REMEMBERED = 100_000
"""Works whose match is kept: the files of one export name the same ones."""
Ids = Mapping[int, int]
_WHY = {
    Form.TITLE: "the same title",
    Form.PLAIN: "the same title but for articles",
    Form.NUMBERED: "the same title but for how its part is written",
    Form.SHORT: "the same title but for a subtitle",
    Form.SUBTITLE: "a part of the title",
}


class _Found(NamedTuple):
    """A movie that has a name of the work. `years`: how far apart, None where one of the two has no year."""

    form: Form
    years: int | None
    movie_id: int


class Matcher:
    """Finds movies, of which it gets the titles or what reads them; `imdb_ids`, `tmdb_ids`: number to movie
    id, or what reads them. What a work needs is read when a first one needs it: of rows with ids the titles
    are not.
    """

    def __init__(
        self,
        movies: Iterable[Row] | Callable[[], KnownTitles],
        imdb_ids: Ids | Callable[[], Ids],
        tmdb_ids: Ids | Callable[[], Ids] = MappingProxyType({}),
    ) -> None:
        self._movies, self._imdb_ids, self._tmdb_ids = movies, imdb_ids, tmdb_ids
        self._names: dict[int, Mapping[str, Form]] = {}
        self._named: dict[str, list[tuple[int, Form]]] = {}
        self._known = lru_cache(_REMEMBERED)(self._match)

    @cached_property
    def _by_imdb(self) -> Ids:
        return self._imdb_ids() if callable(self._imdb_ids) else self._imdb_ids

    @cached_property
    def _by_tmdb(self) -> Ids:
        return self._tmdb_ids() if callable(self._tmdb_ids) else self._tmdb_ids

    @cached_property
    def _imdb_of(self) -> Ids:
        return {movie_id: number for number, movie_id in self._by_imdb.items()}

    @cached_property
    def _tmdb_of(self) -> Ids:
        return {movie_id: number for number, movie_id in self._by_tmdb.items()}

    @cached_property
    def _known_titles(self) -> KnownTitles:
        return self._movies() if callable(self._movies) else KnownTitles(self._movies)

    @property
    def _titles(self) -> Mapping[int, tuple[str, int | None]]:
        return self._known_titles.titles

    def _having(self, key: str) -> list[tuple[int, Form]]:
        """The movies with that name, and how near it is to their title."""
        if (found := self._named.get(key)) is None:
            movies = self._known_titles.having(key)
            forms = [(movie_id, self._names_of(movie_id).get(key)) for movie_id in movies]
            found = [(movie_id, form) for movie_id, form in forms if form is not None]
            self._named[key] = found
        return found

    def _names_of(self, movie_id: int) -> Mapping[str, Form]:
        if (found := self._names.get(movie_id)) is None:
            title = self._titles[movie_id][0][:LONGEST_TITLE].strip()
            found = self._names[movie_id] = names(title)
        return found

    def find(
        self, title: str, year: int | None, imdb_id: int | None = None, tmdb_id: int | None = None
    ) -> int | None:
        """The movie of a row, or None."""
        return self.match(Work((title,), year, imdb_id, tmdb_id)).movie_id

    def match(self, work: Work) -> Match:
        """The movie of a work if that is certain; the years of two catalogues may be one apart."""
        return self._known(work)

    def is_of(self, movie_id: int, work: Work) -> bool:
        """Whether a movie has exactly the title and year of a work, and no id that says otherwise."""
        if self._titles.get(movie_id) != (next(iter(work.titles), None), work.year):
            return False
        return not self._is_other(work, movie_id)

    def _match(self, work: Work) -> Match:
        if (known := self._by_id(work)) is not None:
            return known
        if work.other:
            return Match(None, f"It is {work.other}, not a movie.")
        if (exact := self._exact(work)) is not None:
            return Match(exact, f"{_WHY[Form.TITLE]} and year")
        found = self._found(work)
        certain, why = self._certain(found, work.year)
        if certain is not None and not self._is_other(work, certain):
            return Match(certain, why)
        near = (one for one in found if one.years in (0, 1, None))
        has_rivals = any(not self._is_other(work, one.movie_id) for one in near)
        return Match(None, _reason(certain, found), self._candidates(work, found), has_rivals)

    def _by_id(self, work: Work) -> Match | None:
        by_imdb = self._by_imdb.get(work.imdb_id) if work.imdb_id is not None else None
        by_tmdb = self._by_tmdb.get(work.tmdb_id) if work.tmdb_id is not None else None
        if by_imdb is not None and by_tmdb is not None and by_imdb != by_tmdb:
            both = (Candidate(by_imdb, "the same IMDb id"), Candidate(by_tmdb, "the same TMDB id"))
            return Match(None, "Its IMDb id and its TMDB id are of two movies.", both)
        if by_imdb is not None:
            return Match(by_imdb, "the same IMDb id")
        return None if by_tmdb is None else Match(by_tmdb, "the same TMDB id")

    def _exact(self, work: Work) -> int | None:
        """The only movie of that title and year: `_certain` says so too, with more work."""
        found = set[int]()
        for title in work.titles if work.year is not None else ():
            for key in exact_names(title[:LONGEST_TITLE]):
                having = self._known_titles.having(key)
                found |= {one for one in having if self._is_called(one, title, work.year, key)}
        only = found.pop() if len(found) == 1 else None
        return None if only is None or self._is_other(work, only) else only

    def _is_called(self, movie_id: int, title: str, year: int | None, key: str) -> bool:
        """Whether it is a movie of that year with `key`, which is that of `title`, as a name."""
        its_title, its_year = self._titles[movie_id]
        return its_year == year and (its_title == title or key in exact_names(its_title[:LONGEST_TITLE]))

    def _found(self, work: Work) -> list[_Found]:
        """Every movie with a name of the work, best first. A short name may stand on one side only."""
        best: dict[int, Form] = {}
        for title in work.titles:
            for key, asked in names(title[:LONGEST_TITLE]).items():
                for movie_id, has in self._having(key):
                    form = max(asked, has)
                    if min(asked, has) <= Form.NUMBERED and form < best.get(movie_id, Form.SUBTITLE + 1):
                        best[movie_id] = form
        found = [_Found(form, self._apart(work.year, movie_id), movie_id) for movie_id, form in best.items()]
        return sorted(found, key=_nearness)

    def _apart(self, year: int | None, movie_id: int) -> int | None:
        other = self._titles[movie_id][1]
        return None if year is None or other is None else abs(year - other)

    def _certain(self, found: list[_Found], year: int | None) -> tuple[int | None, str]:
        """The only movie of the nearest kind that there is, and why it is the one."""
        for form in (Form.TITLE, Form.PLAIN, Form.NUMBERED):
            if same := [one for one in found if one.form == form and one.years == 0]:
                return _only(same, f"{_WHY[form]} and year")
        alike = [one for one in found if one.form <= Form.PLAIN]
        if near := [one for one in alike if one.years is None or one.years == 1]:
            if near[0].years == 1:
                return _only(near, f"{_WHY[near[0].form]}, a year apart")
            to_the_letter = [one for one in alike if one.form == Form.TITLE]
            if year is None and len(alike) > len(to_the_letter) == 1:  # a list without years has whole titles
                return to_the_letter[0].movie_id, f"{_WHY[Form.TITLE]}, and no other movie has exactly it"
            return _only(alike, f"{_WHY[near[0].form]}, and no other movie has it")
        for form in (Form.SHORT, Form.SUBTITLE):
            same = [one for one in found if one.form == form and one.years == 0]
            if same and (form == Form.SUBTITLE or self._is_first(same[0], found)):
                return _only(same, f"{_WHY[form]}, and the same year")
        return None, ""

    def _is_first(self, one: _Found, found: list[_Found]) -> bool:
        """Whether no earlier movie has the name: of a series, the movie that began it is called by it."""
        year = self._titles[one.movie_id][1] or 0
        return all((self._titles[other.movie_id][1] or year) >= year for other in found)

    def _is_other(self, work: Work, movie_id: int) -> bool:
        """Whether the ids say that a movie is another work of the same name."""
        if work.imdb_id is not None and (imdb_id := self._imdb_of.get(movie_id)) is not None:
            return work.imdb_id != imdb_id
        if work.tmdb_id is not None and (tmdb_id := self._tmdb_of.get(movie_id)) is not None:
            return work.tmdb_id != tmdb_id
        return False

    def _candidates(self, work: Work, found: list[_Found]) -> tuple[Candidate, ...]:
        offered = [Candidate(one.movie_id, self._why(work, one)) for one in found[:MOST_CANDIDATES]]
        if len(offered) < MOST_CANDIDATES:
            known = {one.movie_id for one in found}
            offered += [one for one in self._alike(work) if one.movie_id not in known]
        return tuple(offered[:MOST_CANDIDATES])

    def _why(self, work: Work, one: _Found) -> str:
        why = _WHY[one.form]
        if self._is_other(work, one.movie_id):
            why += ", but another id"
        if one.years is None:
            return f"{why}, year unknown"
        year = self._titles[one.movie_id][1]
        return f"{why} and year" if one.years == 0 else f"{why}, of {year}"

    def _alike(self, work: Work) -> list[Candidate]:
        """Movies that share at least half of the words that tell them from others, most first."""
        shared: dict[int, int] = defaultdict(int)
        said = {word for title in work.titles[:1] for word in words(title[:LONGEST_TITLE])}
        for word in said:
            for movie_id in self._known_titles.saying(word, at_most=_COMMON_WORD):
                shared[movie_id] += 1
        rated = []
        for movie_id, count in shared.items():
            if count * 2 < len(said):
                continue
            share = 2 * count / (len(said) + len(set(words(self._titles[movie_id][0][:LONGEST_TITLE]))))
            if share >= 0.5:
                apart = self._apart(work.year, movie_id)
                rated.append((-share, 9999 if apart is None else apart, movie_id))
        return [Candidate(one[2], "a similar title") for one in sorted(rated)[:MOST_CANDIDATES]]


def _nearness(one: _Found) -> tuple[bool, int, Form, int]:
    years = 2 if one.years is None else one.years
    return one.form > Form.PLAIN, years, one.form, one.movie_id


def _only(found: list[_Found], why: str) -> tuple[int | None, str]:
    return (found[0].movie_id, why) if len(found) == 1 else (None, "")


def _reason(certain: int | None, found: list[_Found]) -> str:
    if certain is not None:
        return "The movie of that title and year has another id."
    if sum(one.form <= Form.PLAIN and one.years in (0, 1, None) for one in found) > 1:
        return "Several movies of that title and year are known."
    return "No movie of that title and year is known."

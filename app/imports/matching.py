"""Finding the movie of a personal rating: by IMDb or TMDB id, else by title and year.

A match that is not certain is none: a wrong movie is worse than a row that waits. What is near is offered.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from app.imports.names import BEGINNING, Form, beginnings, is_plain, names, plain_names, title_key, words

MOST_CANDIDATES = 3
LONGEST_TITLE = 500
"""Characters of a title that are looked at; no movie has a longer one."""
_COMMON_WORD = 400
"""Movies with a word in their title above which that word tells nothing."""
_FORM_BITS = 3
_WHY = {
    Form.TITLE: "the same title",
    Form.PLAIN: "the same title but for articles",
    Form.NUMBERED: "the same title but for how its part is written",
    Form.SHORT: "the same title but for a subtitle",
    Form.SUBTITLE: "a part of the title",
}


@dataclass(frozen=True, slots=True)
class Work:
    """What a row of a file says of a work. `titles`: the title and further ones, such as the original title.

    `other`: what the work is when it is no movie, such as "a video game"; then it is found by id alone.
    `imdb_id` is the number after "tt".
    """

    titles: tuple[str, ...]
    year: int | None = None
    imdb_id: int | None = None
    tmdb_id: int | None = None
    other: str | None = None

    @property
    def key(self) -> str:
        """What rows of the same work have in common: an id, else title and year."""
        if self.imdb_id is not None:
            return f"imdb:{self.imdb_id}"
        if self.tmdb_id is not None:
            return f"tmdb:{self.tmdb_id}"
        title = title_key(self.titles[0][:LONGEST_TITLE]) if self.titles else ""
        return f"title:{title}:{'' if self.year is None else self.year}"


class Candidate(NamedTuple):
    """A movie that may be meant, and why."""

    movie_id: int
    why: str


class Match(NamedTuple):
    """The movie of a work, or None with the reason and what may be meant, best first.

    `has_rivals`: a movie that is there may well be meant, so that another one must not be made.
    """

    movie_id: int | None
    why: str
    candidates: tuple[Candidate, ...] = ()
    has_rivals: bool = True


class _Found(NamedTuple):
    """A movie that has a name of the work. `years`: how far apart, None where one of the two has no year."""

    form: Form
    years: int | None
    movie_id: int


class Claims:
    """Which work each movie was matched with first: a second work must not become the same movie's rating."""

    def __init__(self) -> None:
        self._first: dict[int, str] = {}

    def is_taken(self, movie_id: int, work: Work) -> bool:
        """Whether another work has the movie; otherwise this one has it from now on."""
        return self._first.setdefault(movie_id, work.key) != work.key


class Matcher:
    """Finds movies. `movies`: (id, title, year); `imdb_ids`, `tmdb_ids`: number to movie id.

    The whole catalogue is read once, a quarter of a second for 90,000 movies without asides and subtitles; of
    the others the names are found when a work is looked up that may have one of them (`names.beginnings`).
    A look-up is a few look-ups in a dict.
    """

    def __init__(
        self,
        movies: Iterable[tuple[int, str, int | None]],
        imdb_ids: Mapping[int, int],
        tmdb_ids: Mapping[int, int] | None = None,
    ) -> None:
        self._by_imdb, self._by_tmdb = imdb_ids, tmdb_ids or {}
        self._imdb_of = {movie_id: number for number, movie_id in self._by_imdb.items()}
        self._tmdb_of = {movie_id: number for number, movie_id in self._by_tmdb.items()}
        self._titles: dict[int, tuple[str, int | None]] = {}
        self._named: dict[str, int | list[int]] = {}
        self._begun: dict[str, list[int]] = defaultdict(list)
        self._unnamed: set[int] = set()
        self._said: dict[int, list[str]] = {}
        self._worded: dict[str, list[int]] | None = None
        for movie_id, title, year in movies:
            self._titles[movie_id] = title, year
            self._add(movie_id, title[:LONGEST_TITLE].strip())

    def _add(self, movie_id: int, title: str) -> None:
        self._said[movie_id] = said = words(title)
        if is_plain(title):
            self._name(movie_id, plain_names(title, said))
        elif (found := beginnings(title, said)) is None:
            self._name(movie_id, names(title))
        else:
            self._unnamed.add(movie_id)
            for beginning in found:
                self._begun[beginning].append(movie_id)

    def _name(self, movie_id: int, found: Mapping[str, Form]) -> None:
        for key, form in found.items():
            entry = movie_id << _FORM_BITS | form  # nearly all keys have one: no list, no tuple for each
            before = self._named.setdefault(key, entry)
            if isinstance(before, list):
                before.append(entry)
            elif before != entry:
                self._named[key] = [before, entry]

    def _having(self, key: str) -> Iterable[int]:
        """The entries of movies with that name."""
        for movie_id in self._begun.pop(key[:BEGINNING], ()):
            if movie_id in self._unnamed:
                self._unnamed.remove(movie_id)
                self._name(movie_id, names(self._titles[movie_id][0][:LONGEST_TITLE]))
        found = self._named.get(key, ())
        return (found,) if isinstance(found, int) else found

    def find(
        self, title: str, year: int | None, imdb_id: int | None = None, tmdb_id: int | None = None
    ) -> int | None:
        """The movie of a row, or None."""
        return self.match(Work((title,), year, imdb_id, tmdb_id)).movie_id

    def match(self, work: Work) -> Match:
        """The movie of a work if that is certain; the years of two catalogues may be one apart."""
        if (known := self._by_id(work)) is not None:
            return known
        if work.other:
            return Match(None, f"It is {work.other}, not a movie.")
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

    def _found(self, work: Work) -> list[_Found]:
        """Every movie with a name of the work, best first. A short name may stand on one side only."""
        best: dict[int, Form] = {}
        for title in work.titles:
            for key, asked in names(title[:LONGEST_TITLE]).items():
                for entry in self._having(key):
                    movie_id, has = entry >> _FORM_BITS, Form(entry & (1 << _FORM_BITS) - 1)
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
        imdb_id, tmdb_id = self._imdb_of.get(movie_id), self._tmdb_of.get(movie_id)
        if work.imdb_id is not None and imdb_id is not None:
            return work.imdb_id != imdb_id
        return work.tmdb_id is not None and tmdb_id is not None and work.tmdb_id != tmdb_id

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
        index = self._words()
        for word in said:
            if len(having := index.get(word, ())) <= _COMMON_WORD:
                for movie_id in having:
                    shared[movie_id] += 1
        rated = []
        for movie_id, count in shared.items():
            if count * 2 < len(said):
                continue
            share = 2 * count / (len(said) + len(set(self._said[movie_id])))
            if share >= 0.5:
                apart = self._apart(work.year, movie_id)
                rated.append((-share, 9999 if apart is None else apart, movie_id))
        return [Candidate(one[2], "a similar title") for one in sorted(rated)[:MOST_CANDIDATES]]

    def _words(self) -> dict[str, list[int]]:
        """The movies by the words of their titles, made when a row is the first that finds none."""
        if self._worded is None:
            self._worded = defaultdict(list)
            for movie_id, having in self._said.items():
                for word in set(having):
                    self._worded[word].append(movie_id)
        return self._worded


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

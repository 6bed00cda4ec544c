"""One user's ratings from Letterboxd or IMDb, whose movies are found by IMDb id, or by title and year."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable

from app.imports.formats import Format
from app.imports.strict import BadField, RatingRow, epoch, fields, half_steps
from app.movie import search_key, split_title

DAY = 86_400
NOT_FOUND = "no movie of that title and year is known"

_ASIDE = re.compile(r"^(?P<title>.+?) \((?P<other>[^()]+)\)$")
_IMDB = re.compile(r"tt([0-9]{1,12})", re.ASCII)
_TEN = re.compile(r"[1-9]|10", re.ASCII)


def title_key(title: str) -> str:
    """The form in which titles of two catalogues are compared: letters and digits only."""
    return "".join(c for c in search_key(title.replace("&", " and ")) if c.isalnum())


class Matcher:
    """Finds movies. `movies`: (id, title, year); `imdb_ids`: number after "tt" to movie id."""

    def __init__(self, movies: Iterable[tuple[int, str, int | None]], imdb_ids: dict[int, int]) -> None:
        self._imdb_ids = imdb_ids
        self._titles: dict[tuple[str, int | None], set[int]] = defaultdict(set)
        for movie_id, title, year in movies:
            for name in _names(title):
                self._titles[title_key(name), year].add(movie_id)

    def find(self, title: str, year: int | None, imdb_id: int | None = None) -> int | None:
        """The movie, or None; of another catalogue's year one less or more may be the same movie's."""
        if imdb_id in self._imdb_ids:
            return self._imdb_ids[imdb_id]
        key = title_key(title)
        for years in ((year,), (year - 1, year + 1) if year else ()):
            found = set().union(*(self._titles.get((key, other), set()) for other in years))
            if len(found) == 1:
                return found.pop()
            if found:
                return None
        return None


def _names(title: str) -> list[str]:
    """A title, and both parts of one such as "The City of Lost Children (La Cité des enfants perdus)"."""
    aside = _ASIDE.match(title)
    if not aside:
        return [title]
    return [title, aside["title"], split_title(aside["other"].removeprefix("a.k.a. "))[0]]


def parser(
    known: Format, header: list[str], matcher: Matcher, user_id: int, start: int
) -> Callable[[bytes], RatingRow]:
    """The function that reads one line of a personal format; it raises `BadField`."""
    place = {name: header.index(text) for name, text in known.columns.items() if text in header}
    names, count = known.columns, len(header)

    def parse(line: bytes) -> RatingRow:
        row = fields(line, count)
        text = {name: row[index] for name, index in place.items()}
        if known.out_of_ten:
            score = _of_ten(names["score"], text["score"])
        else:
            score = half_steps(names["score"], text["score"])
        rated_at = epoch(names["rated_at"], text["rated_at"], start + DAY)  # a day may have begun elsewhere
        year = int(text["year"]) if re.fullmatch("[0-9]{4}", text["year"]) else None
        imdb = _IMDB.fullmatch(text.get("imdb_id", ""))
        movie_id = matcher.find(text["title"], year, int(imdb[1]) if imdb else None)
        if movie_id is None:
            raise BadField(names["title"], f"{text['title']} ({text['year']})", NOT_FOUND)
        return RatingRow(user_id, movie_id, score, None if rated_at is None else min(rated_at, start))

    return parse


def _of_ten(column: str, text: str) -> int:
    if not _TEN.fullmatch(text):
        raise BadField(column, text, "missing" if not text else "not a whole number from 1 to 10")
    return int(text)

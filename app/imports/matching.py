"""Finding the movie of a personal rating: by IMDb id, or by title and year."""

import re
from collections import defaultdict
from collections.abc import Iterable

from app.movie import search_key
from app.titles import split_title

_ASIDE = re.compile(r"^(?P<title>.+?) \((?P<other>[^()]+)\)$")


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

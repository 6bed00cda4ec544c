"""Movies: the type, and the rules for reading and comparing titles and genres."""

import re
import unicodedata
from dataclasses import dataclass

GENRE_SEPARATOR = "|"
LONGEST_TITLE, LONGEST_GENRE = 500, 200
FIRST_YEAR, LAST_YEAR = 1800, 2200
_YEAR = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)$")
_ARTICLE = re.compile(
    r"^(?P<rest>.+), "
    r"(?P<article>The|A|An|La|Le|Les|L'|El|Los|Las|Il|Lo|I|Gli|Der|Die|Das|Ein|Eine|Un|Une|Det|Den|De|Het)"
    r"(?P<aside> \(.*\))?$"
)


@dataclass(frozen=True, slots=True)
class Movie:
    """A movie; `genre` may hold several, separated by "|". `mean_score` is None without ratings.

    `imdb_id` is like "tt0114709"; it and `tmdb_id` are None unless links were imported.
    """

    id: int
    title: str
    year: int | None = None
    genre: str | None = None
    rating_count: int = 0
    mean_score: float | None = None
    imdb_id: str | None = None
    tmdb_id: int | None = None

    @property
    def genres(self) -> list[str]:
        return self.genre.split(GENRE_SEPARATOR) if self.genre else []


def search_key(text: str) -> str:
    """The form in which titles are compared: casefolded, without accents, single spaces."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())


def genre_key(genre: str | None) -> str:
    """The form in which genres are compared: each as a title is, between two separators."""
    parts = [search_key(part) for part in (genre or "").split(GENRE_SEPARATOR)]
    return GENRE_SEPARATOR.join(["", *parts, ""]) if genre else ""


def keys(title: str, genre: str | None) -> dict[str, str]:
    """The columns of a movie that are derived from its title and genre."""
    return {"search_key": search_key(title), "genre_key": genre_key(genre)}


def split_title(text: str) -> tuple[str, int | None]:
    """Read a catalogue title such as "Matrix, The (1999)": ("The Matrix", 1999)."""
    text, year = text.strip(), None
    if match := _YEAR.match(text):
        text, year = match["title"], int(match["year"])
    if match := _ARTICLE.match(text):
        space = "" if match["article"].endswith("'") else " "
        text = f"{match['article']}{space}{match['rest']}{match['aside'] or ''}"
    return text, year

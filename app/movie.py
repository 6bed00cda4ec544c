"""Movies: the type, and how genres are compared. How titles are: `app.titles`."""

from typing import NamedTuple

from app.titles import fold, words

GENRE_SEPARATOR = "|"
LONGEST_TITLE, LONGEST_GENRE = 500, 200
FIRST_YEAR, LAST_YEAR = 1800, 2200


def imdb_text(number: int | None) -> str | None:
    """An IMDb id as IMDb writes it, such as "tt0114709"."""
    return None if number is None else f"tt{number:07}"


def imdb_number(text: str | None) -> int | None:
    """The number of an IMDb id as IMDb writes it."""
    return None if text is None else int(text.removeprefix("tt"))


class Movie(NamedTuple):
    """A movie; `genre` may hold several, separated by "|". `mean_score` is None without ratings.

    `imdb_id` is like "tt0114709"; it and `tmdb_id` are None unless they are known.
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


def search_key(title: str) -> str:
    """The words of a title in a form in which they are compared, with single spaces."""
    return " ".join(words(title))


def genre_key(genre: str | None) -> str:
    """The form in which genres are compared: each folded, between two separators."""
    parts = [fold(part) for part in (genre or "").split(GENRE_SEPARATOR)]
    return GENRE_SEPARATOR.join(["", *parts, ""]) if genre else ""


def keys(title: str, genre: str | None) -> dict[str, str]:
    """The columns of a movie that are derived from its title and genre."""
    return {"search_key": search_key(title), "genre_key": genre_key(genre)}

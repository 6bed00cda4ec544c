"""A work that a row of a file tells, and the movie that it may be."""

from dataclasses import dataclass
from typing import NamedTuple

from app.imports.names import title_key
from app.movie import LONGEST_TITLE


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


class Claims:
    """Which work each movie was matched with first: a second work must not become the same movie's rating."""

    def __init__(self) -> None:
        self._first: dict[int, str] = {}

    def is_taken(self, movie_id: int, work: Work) -> bool:
        """Whether another work has the movie; otherwise this one has it from now on."""
        return self._first.setdefault(movie_id, work.key) != work.key

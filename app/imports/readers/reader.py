"""What a reader is: it recognises the files of one source, and reads them in batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from app.imports import files
from app.imports.rejects import Reject
from app.imports.sizes import Sizes

RATINGS, MOVIES, LINKS = "ratings", "movies", "links"


class Batch(NamedTuple):
    """Some rows of a file. `read`: how many, good or not.

    `good`, in the order of the file: `RatingColumns`; of movies a list of (line, id, title, year, genre); of
    links a list of (line, movie id, IMDb id, TMDB id).
    """

    good: Any
    rejects: list[Reject]
    read: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a reader is given. `start`: of the import, epoch seconds; `user_id`: whose ratings, if known.

    `known_movies` are the ids in the database; a reader of movies adds those that it reads. `titles` reads
    (id, title, year) of each movie and [IMDb id, movie id] of each link. `merged`: the ids of movies that
    were merged into others, known as well, and what they are now.
    """

    known_movies: set[int]
    start: int
    user_id: int | None
    titles: Callable[[], tuple[list[Any], list[Any]]]
    sizes: Sizes
    merged: dict[int, int] = field(default_factory=dict)


class Reader(Protocol):
    """Reads one kind of file. `name`: of its format; `rows`: whether it yields ratings, movies or links.

    `personal`: such files are one user's ratings, so that the caller has to say whose.
    """

    name: str
    rows: str
    personal: bool

    def recognises(self, head: bytes) -> bool:
        """Whether a file is of its kind, from its first bytes."""

    def read(self, source: files.Source, context: Context) -> Iterator[Batch]:
        """All rows of a file. Raises `Invalid`, and what reading the source raises."""

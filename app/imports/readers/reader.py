"""What a reader is: it recognises the files of one source, and reads them in batches."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

from app.imports import files
from app.imports.known_titles import KnownTitles
from app.imports.matching import Matcher
from app.imports.rejects import Reject
from app.imports.sizes import Sizes
from app.imports.works import Claims
from app.repository.waiting import Waiting

RATINGS, MOVIES, LINKS, MARKS, WAITING = "ratings", "movies", "links", "marks", "waiting"
ARRIVALS = "arrivals"
WATCHED, WATCHLIST, LIKE = "watched", "watchlist", "like"


class Mark(NamedTuple):
    """What a row says of a movie that is no rating: a mark, as `app.mark.Mark`, `at` epoch seconds.

    `is_set`: false where it says that the mark was taken away.
    """

    line: int
    user_id: int
    movie_id: int
    mark: str
    at: int
    is_set: bool = True


class Missing(NamedTuple):
    """A row whose movie is not there. `is_new`: no movie that is there may be meant, and it says enough to
    make one.
    """

    line: int
    row: Waiting
    is_new: bool


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says of a file, as the query parameters are; "" for nothing."""

    columns: str = ""
    scale: str = ""
    charset: str = ""
    dates: str = ""


class Batch(NamedTuple):
    """Some rows of a file. `read`: how many, good or not.

    `good`, in the order of the file: `RatingColumns`; of movies a list of (line, id, title, year, genre); of
    links a list of (line, movie id, IMDb id, TMDB id). `marks`: of the rows that have no rating. `missing`:
    the rows of either kind whose movie is not there.
    """

    good: Any
    rejects: list[Reject]
    read: int
    marks: Sequence[Mark] = ()
    missing: Sequence[Missing] = ()


@dataclass(slots=True)
class Shared:
    """What the files of one import have in common: the matcher, made once, and which work of each person has
    which movie.
    """

    matcher: Matcher | None = None
    claims: defaultdict[int, Claims] = field(default_factory=lambda: defaultdict(Claims))


@dataclass(frozen=True, slots=True)
class Context:
    """What a reader is given. `start`: of the import, epoch seconds; `user_id`: whose ratings, if known.

    `known_movies` are the ids in the database; a reader of movies adds those that it reads. `titles` reads
    those of movies; `imdb_ids`, `tmdb_ids` such an id and the movie's.
    `merged`: the ids of movies that were merged into others, known as well, and what they are now.
    `aliases`: the movies that the person chose by hand, by the key of a work. `forgotten`: people whose rows
    are rejected.
    """

    known_movies: set[int]
    start: int
    user_id: int | None
    titles: Callable[[], KnownTitles]
    sizes: Sizes
    merged: dict[int, int] = field(default_factory=dict)
    imdb_ids: Callable[[], Sequence[Sequence[int]]] = tuple
    tmdb_ids: Callable[[], Sequence[Sequence[int]]] = tuple
    aliases: Callable[[], Mapping[str, int]] = dict
    shared: Shared = field(default_factory=Shared)
    forgotten: Collection[int] = ()


class Reader(Protocol):
    """Reads one kind of file. `name`: of its format; `rows`: what it yields, such as `RATINGS`.

    `personal`: such files are one user's ratings, so that the caller has to say whose.
    """

    @property
    def name(self) -> str: ...
    @property
    def rows(self) -> str: ...
    @property
    def personal(self) -> bool: ...

    def recognises(self, head: bytes, /) -> bool:
        """Whether a file is of its kind, from its first bytes."""

    def read(self, source: files.Source, context: Context) -> Iterator[Batch]:
        """All rows of a file. Raises `Invalid`, and what reading the source raises."""


@runtime_checkable
class Judging(Reader, Protocol):
    """A reader that has to see a file whole before it can read any row of it."""

    def judge(self, member: files.Member, sizes: Sizes) -> dict[str, Any]:
        """What the file as a whole says, for the report. Raises `Invalid` that asks for the rest."""

    def settled(self, assumed: dict[str, Any]) -> Self:
        """The reader that goes by it."""

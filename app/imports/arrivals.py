"""Movies that come, by an import or one by one: what waits for them ends, and what was made here is theirs.

The last part of an import of movies or links goes through them again, after all else is written: by then
every movie is there that may be a rival of another one. What was made here and is surely the same is taken
over, as movies are merged; then the rows that wait for one of them end. Both go by the matcher's word.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy.engine import Connection

from app import titles
from app.errors import Conflict
from app.imports import known_titles
from app.imports.checkpoint import Figures
from app.imports.finding import find
from app.imports.matching import Matcher
from app.imports.mergers import Range, lines
from app.imports.names import names, search_keys
from app.imports.readers.movies import TAKEN
from app.imports.rejects import Reject
from app.imports.works import Work
from app.movie import LONGEST_TITLE, Movie, imdb_number, imdb_text
from app.repository import arrivals, catalogue, lookups, movies, waiting
from app.repository.arrivals import Taken
from app.repository.waiting import Waiting
from app.storage import Database, database_of

MOST_RATINGS = 100_000
"""Of a movie that is taken over; one with more is left for a merge of its own (`merge_movies`)."""
RATINGS_AT_ONCE = 5_000
"""That a transaction moves, but for a movie that has more."""
MOVIES_AT_ONCE = 50
"""That a transaction takes over."""
PEOPLE_AT_ONCE = 1_000
"""Whose rows end with a movie that is added by itself; those of further people wait on."""
_TITLED = "the same title"

Place = list[int]
"""Step, spool and offset up to which an import has gone; a list, as the checkpoint keeps it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows whose movies have come, by number, and rows whose movie another row of the person has."""

    ended: dict[int, int]
    held_back: dict[int, int]


@dataclass
class ArrivalMerger:
    """Goes through `spools` of movies and links, and the movies that the import made, `size` at a time.

    Each range is a transaction of its own. What there is to be done is found before that, outside of it.
    """

    spools: Sequence[Path]
    database: Database
    import_seq: int
    size: int

    def ranges(self, after: Place | None) -> Iterator[Range]:
        step, *place = after or [0, 0, 0]
        with self.database.read() as connection:
            is_made, waits = arrivals.has_made(connection), waiting.any_waits(connection)
        if step == 0 and is_made:
            for ids, start, end in self._ids(*place):
                yield from self._taken(ids, [0, *start], [0, *end])
        if not waits:
            return
        while keys := self._keys():
            yield Range(keys, 0, [1, 0, 0], alone=True)
        for ids, start, end in self._all_ids(*(place if step == 1 else (0, 0))):
            yield from self._ended(ids, [1, *start], [1, *end])

    def _ids(self, spool: int, offset: int) -> Iterator[tuple[list[int], Place, Place]]:
        """The ids of the rows of the spools, and where they begin and end."""
        for at in range(spool, len(self.spools)):
            for rows, end in lines(self.spools[at], self.size, offset):
                yield [row[1] for row in rows], [at, offset], [at, end]
                offset = end
            offset = 0

    def _all_ids(self, spool: int, offset: int) -> Iterator[tuple[list[int], Place, Place]]:
        """Those of the movies that the import made too."""
        last = len(self.spools)
        if spool < last:
            yield from self._ids(spool, offset)
            offset = 0
        while True:
            with self.database.read() as connection:
                ids = arrivals.made_by(connection, self.import_seq, after=offset, limit=self.size)
            if not ids:
                return
            yield ids, [last, offset], [last, ids[-1]]
            offset = ids[-1]

    def _keys(self) -> dict[int, tuple[str, ...]]:
        """The search keys of rows of an older release."""
        with self.database.read() as connection:
            return {row.number: search_keys(row.title) for row in waiting.without_key(connection, self.size)}

    def _taken(self, ids: list[int], start: Place, end: Place) -> Iterator[Range]:
        """The movies made here that are surely one of `ids`, few enough a range."""
        with self.database.read() as connection:
            taken = self._same(connection, ids)
            arrivals.read_raters(connection, taken)
        ranges, room = list[list[Taken]](), 0
        for one in taken:
            room -= one.ratings
            if not ranges or room < 0 or len(ranges[-1]) == MOVIES_AT_ONCE:
                ranges.append([])
                room = RATINGS_AT_ONCE - one.ratings
            ranges[-1].append(one)
        for some in ranges:
            yield Range(some, 0, end if some is ranges[-1] else start, alone=True)

    def _same(self, connection: Connection, ids: list[int]) -> list[Taken]:
        """The movies made here that are one of `ids`: by an id elsewhere, else by title and year alone."""
        films = arrivals.imported(connection, ids)
        by_id, titled = dict[int, int](), dict[int, int]()
        made = _made_like(connection, films.values())
        for one in made.values():
            linked = arrivals.imported_with_id(connection, imdb_number(one.imdb_id), one.tmdb_id)
            if len(linked) == 1 and linked <= films.keys() and not _differ(one, films[min(linked)]):
                by_id[one.id] = min(linked)
            elif not linked and (movie_id := self._titled(one)) in films:
                film = films[movie_id]
                if one.year == film.year and not _differ(one, film):
                    titled[one.id] = movie_id
        rivals = Counter(titled.values())
        found = by_id | {made_id: into for made_id, into in titled.items() if rivals[into] == 1}
        return [
            Taken(made_id, found[made_id], made[made_id].rating_count)
            for made_id in sorted(found)
            if made[made_id].rating_count <= MOST_RATINGS
        ]

    def _titled(self, made: Movie) -> int | None:
        """The only movie of that title and year."""
        if made.year is None:
            return None
        return self._imported.match(Work((made.title[:LONGEST_TITLE],), made.year)).movie_id

    @cached_property
    def _imported(self) -> Matcher:
        """Of the movies that were not made here."""
        with self.database.read() as connection:
            return Matcher(list(catalogue.titles(connection, made_here=False)), {})

    @cached_property
    def _every(self) -> Matcher:
        with self.database.read() as connection:
            imdb_ids, tmdb_ids = catalogue.imdb_ids(connection), catalogue.tmdb_ids(connection)
            titles = known_titles.held(connection).titles
        return Matcher(lambda: titles, imdb_ids, tmdb_ids)

    def _ended(self, ids: list[int], start: Place, end: Place) -> Iterator[Range]:
        """The rows that wait for one of `ids`, a person's one a movie."""
        with self.database.read() as connection:
            films = movies.by_ids(connection, ids)
        claims, last, more = dict[tuple[int, int], int](), 0, True
        while more:
            with self.database.read() as connection:
                rows = _rows(connection, list(films.values()), self.size, last)
            ended, held_back = dict[int, int](), dict[int, int]()
            for row in rows:
                if (movie_id := self._movie(row, films)) is not None:
                    first = claims.setdefault((row.user_id, movie_id), row.number)
                    (ended if first == row.number else held_back)[row.number] = movie_id
            more = len(rows) == self.size
            last = rows[-1].number if rows else last
            if ended or held_back:
                yield Range(Found(ended, held_back), 0, start if more else end, alone=True)

    def _movie(self, row: Waiting, films: dict[int, Movie]) -> int | None:
        """The movie of a row, if it is certain and one of these."""
        if row.reason == TAKEN:
            return None
        movie_id = self._every.match(_work(row)).movie_id
        return movie_id if movie_id in films else None

    def merge(
        self, connection: Connection, some: Range, figures: Figures, *, dry_run: bool = False
    ) -> list[Reject]:
        del dry_run  # there are no ranges then
        if isinstance(some.rows, Found):
            ended = arrivals.end_waiting(connection, some.rows.ended, import_seq=self.import_seq)
            figures.arrived += len(ended)
            figures.personal += len(ended) + len(some.rows.held_back)
            waiting.hold_back(connection, some.rows.held_back, TAKEN, _TITLED, self.import_seq)
        elif isinstance(some.rows, dict):
            waiting.put_keys(connection, some.rows)
        else:
            taken = arrivals.take_over(connection, some.rows, import_seq=self.import_seq)
            figures.taken_over += len(taken)
            figures.personal += len(taken)
            movies.note_change(connection)
        return []

    def close(self, connection: Connection) -> None:
        """Nothing is left to the end of a transaction."""


def _terms(title: str) -> set[str]:
    """By what the index of titles finds movies that have one of the names of a title."""
    found = {titles.name_term(name) for name in titles.names(title)}
    found |= {titles.NAME + key for key in names(title[:LONGEST_TITLE]) if key.isalnum()}
    return {term for term in found if len(term) <= titles.LONGEST_TERM and term[1:].isalnum()}


def _rows(connection: Connection, films: Sequence[Movie], limit: int, after: int = 0) -> list[Waiting]:
    """The next rows that may be of one of the movies."""
    keys = {key for film in films for key in names(film.title[:LONGEST_TITLE])}
    return waiting.like(connection, keys, *_ids(films), limit=limit, after=after)


def _work(row: Waiting) -> Work:
    titled = (row.title,) if any(row.search_keys) else ()
    return Work(titled, row.year, row.imdb_id, row.tmdb_id)


def _differ(made: Movie, film: Movie) -> bool:
    """Whether the ids say that two movies are not the same; that of IMDb goes first."""
    if made.imdb_id is not None and film.imdb_id is not None:
        return made.imdb_id != film.imdb_id
    return made.tmdb_id is not None and film.tmdb_id is not None and made.tmdb_id != film.tmdb_id


def _made_like(connection: Connection, films: Collection[Movie]) -> dict[int, Movie]:
    terms = {term for film in films for term in _terms(film.title)}
    return arrivals.made_like(connection, terms, *_ids(films))


def _ids(films: Iterable[Movie]) -> tuple[set[int], set[int]]:
    """The ids of movies at IMDb and TMDB."""
    pairs = [(imdb_number(film.imdb_id), film.tmdb_id) for film in films]
    return {one for one, _ in pairs if one is not None}, {one for _, one in pairs if one is not None}


def create_movie(
    connection: Connection,
    title: str,
    year: int | None,
    genre: str | None,
    *,
    now: float,
    imdb_id: int | None = None,
    tmdb_id: int | None = None,
) -> Movie:
    """Add a movie, with its ids at IMDb and TMDB if they are known, and end the rows that wait for it.

    Raises `Conflict` where another movie has one of the ids.
    """
    coming = Movie(0, title, year, genre, 0, None, imdb_text(imdb_id), tmdb_id)
    rows = _rows(connection, [coming], PEOPLE_AT_ONCE)
    has_ids = imdb_id is not None or tmdb_id is not None
    if rows or has_ids:  # before the counters that a new movie moves: an import takes them in that order
        database_of(connection).lock_ratings(connection)
    for known in ({"imdb_id": imdb_id, "tmdb_id": None}, {"imdb_id": None, "tmdb_id": tmdb_id}):
        if any(known.values()) and (others := lookups.linked(connection, **known)):
            raise Conflict(
                f'Movie {others[0].id}, "{others[0].title}", has that IMDb or TMDB id. Nothing was added.'
            )
    movie_id = movies.create(connection, title, year, genre, now=now).id
    if has_ids:
        link = {"imdb_id": imdb_id, "tmdb_id": tmdb_id}
        catalogue.put(connection, catalogue.LINK, {movie_id: link})
    if ended := _ends(connection, rows, movie_id):
        arrivals.end_waiting(connection, ended)
    return movies.get(connection, movie_id)


def _ends(connection: Connection, rows: Sequence[Waiting], movie_id: int) -> dict[int, int]:
    """The movie by the numbers of the rows that are certainly of it, one a person."""
    matched: dict[str, int | None] = {}
    ended: dict[int, int] = {}
    for row in rows:
        if row.work not in matched:
            matched[row.work] = find(connection, _work(row)).movie_id
        if matched[row.work] == movie_id:
            ended.setdefault(row.user_id, row.number)
    return dict.fromkeys(ended.values(), movie_id)

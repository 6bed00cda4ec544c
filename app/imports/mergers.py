"""Writing what was parsed, range by range: of ratings, and of movies and links."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy.engine import Connection

from app.arrays import Mask
from app.imports import runs
from app.imports.checkpoint import Figures
from app.imports.readers.ratings import UNKNOWN_MOVIE
from app.imports.rejects import Reject
from app.rating import RatingColumns, judge, matches
from app.repository import catalogue, imports, movies
from app.repository.count_changes import changes_of
from app.repository.ratings import note_changes
from app.storage import database_of
from app.threads import ahead


class Range(NamedTuple):
    """`size` rows that are written at once. `end`: where the next range starts, for the checkpoint.

    `alone`: no other range is in its transaction.
    """

    rows: Any
    size: int
    end: Any
    alone: bool = False


def lines(spool: Path, size: int, after: int | None) -> Iterator[tuple[list[Any], int]]:
    """The rows of up to `size` lines of a spool at once, after the offset, and where they end."""
    at = after or 0
    with spool.open("rb") as file:
        file.seek(at)
        while lines := [line for _, line in zip(range(size), file, strict=False)]:
            at += sum(map(len, lines))
            yield [json.loads(line) for line in lines], at


class RatingMerger:
    """Merges the runs of a part, `rows()` at a time. `movies_deleted`: as of the parse."""

    def __init__(
        self, found: Sequence[runs.Run], import_seq: int, movies_deleted: int, rows: Callable[[], int]
    ) -> None:
        self._runs, self._seq, self._rows = found, import_seq, rows
        self._movies_deleted = movies_deleted
        self._written: list[RatingColumns] = []
        self._before: list[RatingColumns] = []

    def ranges(self, after: list[int] | None) -> Iterator[Range]:
        """The ranges after `after`, the `end` of another; from the start for None."""
        user_id, movie_id = after or (-1, -1)
        for ratings, others in ahead(runs.merge(self._runs, (user_id, movie_id))):
            start = 0
            while left := len(others) - start:
                equal = -(-left // -(-left // self._rows()))  # none of them much smaller than the others
                rows = slice(start, start + equal)
                some, more, start = ratings.take(rows), others[rows], rows.stop
                end = [int(some.user_id[-1]), int(some.movie_id[-1])]
                yield Range((some, more), len(more), end)

    def merge(
        self, connection: Connection, some: Range, figures: Figures, *, dry_run: bool = False
    ) -> list[Reject]:
        """Write a range and count what became of it; returns what cannot be taken after all."""
        ratings, others = some.rows
        if not dry_run:
            database_of(connection).lock_ratings(connection, ratings.user_id)
        ratings, rejects = self._known(connection, ratings)
        figures.duplicate += int(others.sum())
        figures.rejected += len(rejects)
        written, before, is_new = self._judge(connection, ratings, figures)
        if not dry_run:
            database_of(connection).put_ratings(connection, written, is_new)
            database_of(connection).put_before_images(connection, before, self._seq)
            self._written.append(written)
            self._before.append(before)
        return rejects

    def _known(self, connection: Connection, ratings: RatingColumns) -> tuple[RatingColumns, list[Reject]]:
        """Without the ratings of movies that were deleted since the parse."""
        if imports.movies_deleted(connection) == self._movies_deleted:
            return ratings, []
        known = movies.exist(connection, ratings.movie_id)
        gone, reason = ratings.movie_id[~known].tolist(), f"{UNKNOWN_MOVIE} by now"
        return ratings.take(known), [Reject(None, "movie_id", str(i), reason) for i in gone]

    def _judge(
        self, connection: Connection, ratings: RatingColumns, figures: Figures
    ) -> tuple[RatingColumns, RatingColumns, Mask]:
        """What is to be written, what is stored in its place, where nothing is; counted into `figures`."""
        rows = replace(ratings, import_seq=self._seq)
        stored = imports.rated(connection, rows.user_id, rows.movie_id)
        if not len(stored):
            figures.new += len(rows)
            return rows, stored, np.ones(len(rows), np.bool_)
        found, places = matches(stored, rows)
        old, new = stored.take(found), rows.take(places)
        unchanged, older = judge(old, new)
        replaced = ~(unchanged | older)
        written, is_new = np.ones((2, len(rows)), np.bool_)
        written[places[~replaced]] = False
        is_new[places] = False
        figures.new += len(rows) - len(places)
        figures.unchanged += int(unchanged.sum())
        figures.older += int(older.sum())
        figures.replaced += int(replaced.sum())
        return rows.take(written), old.take(replaced), is_new[written]

    def close(self, connection: Connection) -> None:
        """Write what the ranges of one transaction leave to its end."""
        note_changes(connection, sum(map(len, self._written)))
        imports.change_counts(connection, changes_of(self._written, self._before))
        self._written, self._before = [], []


_FIELDS = {catalogue.MOVIE: ("title", "year", "genre"), catalogue.LINK: ("imdb_id", "tmdb_id")}
_KEPT = "the movie was made, changed or merged here, and is kept"


class CatalogueMerger:
    """Merges a spool of movies or links (`noun`) by id, the last row of an id, `size` rows at a time.

    `now`: epoch seconds.
    """

    def __init__(self, spool: Path, noun: str, import_seq: int, size: int, now: float) -> None:
        self._spool, self._noun, self._seq, self._size, self._now = spool, noun, import_seq, size, now
        self._changed = False

    def ranges(self, after: int | None) -> Iterator[Range]:
        for rows, end in lines(self._spool, self._size, after):
            yield Range(rows, len(rows), end)

    def merge(
        self, connection: Connection, some: Range, figures: Figures, *, dry_run: bool = False
    ) -> list[Reject]:
        lines = {row[1]: row[0] for row in some.rows}
        rows = {row[1]: dict(zip(_FIELDS[self._noun], row[2:], strict=True)) for row in some.rows}
        if dry_run:
            written = catalogue.judge(connection, self._noun, rows, self._seq)
        else:
            written = catalogue.write(connection, self._noun, rows, self._seq, now=self._now)
            self._changed |= bool(written.new or written.replaced or written.duplicate)
        figures.new += len(written.new)
        figures.replaced += len(written.replaced)
        figures.unchanged += len(written.unchanged)
        figures.duplicate += len(written.duplicate) + some.size - len(rows)
        figures.rejected += len(written.kept)
        return [Reject(lines[key], "", str(key), _KEPT) for key in written.kept]

    def close(self, connection: Connection) -> None:
        if self._changed:
            movies.note_change(connection)
        self._changed = False

"""The second phase: range by range into the database, each with the cursor in one short transaction."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from sqlalchemy.engine import Connection

from app.imports import runs
from app.imports.columns import Columns
from app.imports.rejects import Reject
from app.imports.runs import matches
from app.imports.strict import UNKNOWN_MOVIE
from app.repository import catalogue, imports, movies
from app.repository.count_changes import changes_of
from app.repository.imports import RatingColumns
from app.repository.ratings import note_changes
from app.storage import database_of

CATALOGUE_ROWS = 500

Item = TypeVar("Item")


@dataclass
class Figures:
    """What became of the rows that were read; the others add up to `read`."""

    read: int = 0
    new: int = 0
    replaced: int = 0
    unchanged: int = 0
    older: int = 0
    duplicate: int = 0
    rejected: int = 0


class Range(NamedTuple):
    """`size` rows that are written at once. `end`: where the next range starts, for the cursor."""

    rows: Any
    size: int
    end: Any


class Merger(Protocol):
    """Writes one part of an import."""

    def ranges(self, after: Any) -> Iterator[Range]:
        """The ranges behind `after`, the `end` of another; from the start for None."""

    def merge(
        self, connection: Connection, some: Range, figures: Figures, *, dry_run: bool = False
    ) -> list[Reject]:
        """Write a range and count what became of it; answers what cannot be taken after all."""

    def close(self, connection: Connection) -> None:
        """Write what the ranges of one transaction leave to its end."""


class _Outcome(NamedTuple):
    """What a range of ratings comes to: what is to be written, and what was there instead."""

    written: RatingColumns
    before: RatingColumns


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


class RatingMerger:
    """Merges the runs of a part, `rows()` at a time. `movies_deleted`: as of the parse."""

    def __init__(
        self, found: Sequence[runs.Run], import_seq: int, movies_deleted: int, rows: Callable[[], int]
    ) -> None:
        self._runs, self._seq, self._rows = found, import_seq, rows
        self._movies_deleted = movies_deleted
        self._outcomes: list[_Outcome] = []
        self._changed = 0

    def ranges(self, after: list[int] | None) -> Iterator[Range]:
        user_id, movie_id = after or (-1, -1)
        for columns, others in ahead(runs.merge(self._runs, (user_id, movie_id))):
            start = 0
            while start < len(others):
                rows = slice(start, start + self._rows())
                some, more, start = columns[rows], others[rows], rows.stop
                end = [int(some.user_id[-1]), int(some.movie_id[-1])]
                yield Range((some, more), len(more), end)

    def merge(
        self, connection: Connection, some: Range, figures: Figures, *, dry_run: bool = False
    ) -> list[Reject]:
        columns, others = some.rows
        if not dry_run:
            database_of(connection).lock_ratings(connection)
        columns, rejects = self._known(connection, columns)
        figures.duplicate += int(others.sum())
        figures.rejected += len(rejects)
        outcome = self._judge(connection, columns, figures)
        if not dry_run:
            self._write(connection, outcome)
        return rejects

    def _known(self, connection: Connection, columns: Columns) -> tuple[Columns, list[Reject]]:
        """Without the ratings of movies that were deleted since the parse."""
        if imports.movies_deleted(connection) == self._movies_deleted:
            return columns, []
        known = movies.exist(connection, columns.movie_id)
        gone = columns.movie_id[~known].tolist()
        return columns[known], [Reject(None, "movie_id", str(i), f"{UNKNOWN_MOVIE} by now") for i in gone]

    def _judge(self, connection: Connection, columns: Columns, figures: Figures) -> _Outcome:
        """Newer ratings win, of equally new ones the import's; counted into `figures`."""
        seq = np.full(len(columns), self._seq, np.int32)
        rows = imports.RatingColumns(
            columns.user_id, columns.movie_id, columns.half_steps(), columns.rated_at, seq
        )
        there = imports.rated(connection, columns.user_id, columns.movie_id)
        if not len(there.user_id):
            figures.new += len(columns)
            return _Outcome(rows, there)
        found, places = matches(there, rows)
        old, new = there.take(found), rows.take(places)
        same_time = columns.untimed()[places] | (new.rated_at == old.rated_at)
        unchanged = (new.half_steps == old.half_steps) & same_time
        older = ~unchanged & (new.rated_at < old.rated_at)
        replaced = ~unchanged & ~older
        written = np.ones(len(columns), np.bool_)
        written[places[~replaced]] = False
        figures.new += len(columns) - len(places)
        figures.unchanged += int(unchanged.sum())
        figures.older += int(older.sum())
        figures.replaced += int(replaced.sum())
        return _Outcome(rows.take(written), old.take(replaced))

    def _write(self, connection: Connection, outcome: _Outcome) -> None:
        database_of(connection).put_ratings(connection, outcome.written)
        database_of(connection).put_before_images(connection, outcome.before, self._seq)
        self._outcomes.append(outcome)
        self._changed += len(outcome.written.user_id)

    def close(self, connection: Connection) -> None:
        note_changes(connection, self._changed)
        written, before = [o.written for o in self._outcomes], [o.before for o in self._outcomes]
        imports.change_counts(connection, changes_of(written, before))
        self._outcomes, self._changed = [], 0


_FIELDS = {catalogue.MOVIE: ("title", "year", "genre"), catalogue.LINK: ("imdb_id", "tmdb_id")}
_KEPT = "the movie was made or changed here, and is kept"


class CatalogueMerger:
    """Merges a spool of movies or links (`noun`) by id, the last row of an id. `now`: epoch seconds."""

    def __init__(self, spool: Path, noun: str, import_seq: int, now: float) -> None:
        self._spool, self._noun, self._seq, self._now = spool, noun, import_seq, now
        self._changed = False

    def ranges(self, after: int | None) -> Iterator[Range]:
        at = after or 0
        with self._spool.open("rb") as spool:
            spool.seek(at)
            while lines := [line for _, line in zip(range(CATALOGUE_ROWS), spool, strict=False)]:
                at += sum(map(len, lines))
                yield Range([json.loads(line) for line in lines], len(lines), at)

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

"""Writing what is no rating of a known movie: marks, rows that wait, and movies that are made for them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from app.imports.checkpoint import Figures
from app.imports.gathering import NO_ROOM, Group
from app.imports.mergers import Range, lines
from app.imports.readers.ratings import UNKNOWN_MOVIE
from app.imports.rejects import Reject
from app.mark import Mark, Marked
from app.rating import STEP, RatingColumns
from app.repository import catalogue, imports, marks, waiting
from app.repository.count_changes import changes_of
from app.repository.ratings import note_changes
from app.storage import database_of


class MarkMerger:
    """Merges a spool of marks, `size` rows at a time."""

    def __init__(self, spool: Path, import_seq: int, size: int) -> None:
        self._spool, self._seq, self._size = spool, import_seq, size

    def ranges(self, after: int | None) -> Iterator[Range]:
        for rows, end in lines(self._spool, self._size, after):
            yield Range(rows, len(rows), end)

    def merge(
        self, connection: Connection, some: Range, figures: Figures, *, dry_run: bool = False
    ) -> list[Reject]:
        known = marks.hold_movies(connection, (row[2] for row in some.rows))
        given: dict[tuple[int, int], dict[Mark, Marked]] = {}
        rejects = list[Reject]()
        for line, user_id, movie_id, mark, at, is_set in some.rows:
            if movie_id not in known:
                rejects.append(Reject(line, "movie_id", str(movie_id), f"{UNKNOWN_MOVIE} by now"))
                continue
            states = given.setdefault((user_id, movie_id), {})
            if mark not in states or states[Mark(mark)].at <= at:
                states[Mark(mark)] = Marked(is_set, at)
        figures.marks += some.size - len(rejects)
        figures.rejected += len(rejects)
        if not dry_run:
            figures.personal += marks.add_many(connection, given, import_seq=self._seq)
        return rejects

    def close(self, connection: Connection) -> None:
        """Nothing is left to the end of a transaction."""


class WaitingMerger:
    """Merges a spool of `Gathering`, `size` lines at a time. `start`: of the import, epoch seconds."""

    def __init__(self, spool: Path, import_seq: int, size: int, start: int) -> None:
        self._spool, self._seq, self._size, self._start = spool, import_seq, size, start
        self._written: list[RatingColumns] = []

    def ranges(self, after: int | None) -> Iterator[Range]:
        for rows, end in lines(self._spool, self._size, after):
            groups = [(made, [Group.from_json(one) for one in found]) for made, found in rows]
            yield Range(groups, sum(len(one.lines) for _, found in groups for one in found), end)

    def merge(
        self, connection: Connection, some: Range, figures: Figures, *, dry_run: bool = False
    ) -> list[Reject]:
        made = [found for is_made, found in some.rows if is_made]
        for group in (one for found in made for one in found):
            figures.new += group.scores > 0
            figures.duplicate += max(0, group.scores - 1)
            figures.marks += len(group.lines) - group.scores
        figures.made += len(made)
        if made and not dry_run:
            figures.personal += len(made)
            self._make(connection, made)
        return self._wait(
            connection, [found[0] for is_made, found in some.rows if not is_made], figures, dry_run
        )

    def _make(self, connection: Connection, made: list[list[Group]]) -> None:
        """Make movies, and write the ratings and marks of each."""
        database_of(connection).lock_ratings(connection)
        films = [max((one.row for one in found), key=_ids) for found in made]
        ids = catalogue.make(connection, [_described(film) for film in films], self._seq, now=self._start)
        rows = [(one.row, movie_id) for movie_id, found in zip(ids, made, strict=True) for one in found]
        given = {(row.user_id, movie_id): row.marks for row, movie_id in rows if row.marks}
        marks.add_many(connection, given, import_seq=self._seq)
        rated = sorted(
            (
                row.user_id,
                movie_id,
                round(row.score / STEP),
                self._start if row.rated_at is None else row.rated_at,
            )
            for row, movie_id in rows
            if row.score is not None
        )
        if rated:
            users, movies, scores, times = np.array(rated, np.int64).T
            written = replace(
                RatingColumns(users, movies, scores.astype(np.uint8), times), import_seq=self._seq
            )
            database_of(connection).put_ratings(connection, written)
            self._written.append(written)

    def _wait(
        self, connection: Connection, groups: list[Group], figures: Figures, dry_run: bool
    ) -> list[Reject]:
        by_user: dict[int, dict[str, Group]] = {}
        for group in groups:
            by_user.setdefault(group.row.user_id, {})[group.row.work] = group
        rejects = list[Reject]()
        for user_id, found in by_user.items():
            rows = [replace(group.row, created_at=float(self._start)) for group in found.values()]
            refused = [] if dry_run else waiting.put(connection, user_id, rows, import_seq=self._seq)
            figures.personal += 0 if dry_run else len(rows) - len(refused)
            for row in refused:
                rejects += [Reject(line, "", row.title, NO_ROOM) for line in found[row.work].lines]
        figures.waiting += sum(len(group.lines) for group in groups) - len(rejects)
        figures.rejected += len(rejects)
        return rejects

    def close(self, connection: Connection) -> None:
        """Write what the ranges of one transaction leave to its end."""
        if self._written:
            note_changes(connection, sum(map(len, self._written)))
            imports.change_counts(connection, changes_of(self._written, []))
        self._written = []


def _ids(row: waiting.Waiting) -> int:
    """How many ids elsewhere a row tells."""
    return (row.imdb_id is not None) + (row.tmdb_id is not None)


def _described(row: waiting.Waiting) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("title", "year", "imdb_id", "tmdb_id")}

"""The second phase: range by range into the database, each with the checkpoint in one short transaction."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from sqlalchemy.engine import Connection

from app.imports import arrivals, mergers, parse, personal, rejects
from app.imports.checkpoint import Checkpoint, saving
from app.imports.counts import settle
from app.imports.kinds import IMPORT
from app.imports.readers import reader
from app.imports.sizes import Sizes
from app.process import collect_now
from app.repository import catalogue
from app.tasks.attempt import Attempt

Merger = (
    mergers.RatingMerger
    | mergers.CatalogueMerger
    | personal.MarkMerger
    | personal.WaitingMerger
    | arrivals.ArrivalMerger
)


@dataclass
class Merge:
    """Merges the parts of an import from a checkpoint on, and keeps that up to date.

    `start`: of the import, epoch seconds.
    """

    attempt: Attempt
    checkpoint: Checkpoint
    parts: list[parse.Part]
    rejects: rejects.RejectFile
    start: int
    sizes: Sizes

    def __post_init__(self) -> None:
        self._dry_run = IMPORT.params_of(self.attempt.task).dry_run
        self._give_way_until = time.monotonic() + self.sizes.give_way_seconds

    def run(self) -> None:
        with self.attempt.database.busy():
            collect_now()
        checkpoint = self.checkpoint
        for part in self.parts[checkpoint.part :]:
            if part.rows == reader.ARRIVALS and self._dry_run:
                continue
            merger = self._merger(part)
            ranges = merger.ranges(checkpoint.after)
            for first in ranges:
                self._merge(merger, chain([first], ranges))
            checkpoint.part, checkpoint.after = checkpoint.part + 1, None
        checkpoint.merged = True
        with saving(self.attempt, checkpoint):
            pass  # from here on the parts are not needed again
        settle(self.attempt.database, self.attempt.transaction)

    def _merger(self, part: parse.Part) -> Merger:
        seq = self.attempt.task.seq
        if part.rows == reader.RATINGS:
            return mergers.RatingMerger(part.sorted_runs, seq, self.checkpoint.movies_deleted, self._rows)
        size = self.sizes.catalogue_rows
        if part.rows == reader.MARKS:
            return personal.MarkMerger(part.spool, seq, size)
        if part.rows == reader.ARRIVALS:
            settle(self.attempt.database, self.attempt.transaction)  # counts tell who has rated what was made
            return arrivals.ArrivalMerger(part.spools, self.attempt.database, seq, size)
        if part.rows == reader.WAITING:
            return personal.WaitingMerger(part.spool, seq, size, self.start)
        noun = catalogue.MOVIE if part.rows == reader.MOVIES else catalogue.LINK
        return mergers.CatalogueMerger(part.spool, noun, seq, size, self.start)

    def _rows(self) -> int:
        """Rows of the next range: few while there are other writers, who wait for its end."""
        rows = min(self.attempt.rows_at_once // self.sizes.ranges, self.attempt.database.range_rows)
        return max(1, min(rows, self.sizes.few_rows) if self._gives_way() else rows)

    def _gives_way(self) -> bool:
        return self.attempt.database.had_waiters() or time.monotonic() < self._give_way_until

    def _merge(self, merger: Merger, ranges: Iterator[mergers.Range]) -> None:
        """One transaction: it takes range after range until another writer waits for it, or it is large."""
        checkpoint = self.checkpoint
        most = self.attempt.rows_at_once
        if self._gives_way():
            most = min(most, self.sizes.few_rows * self.sizes.few_ranges)
        most += checkpoint.done
        with self._transaction() as connection:
            for some in ranges:
                refused = merger.merge(connection, some, checkpoint.figures, dry_run=self._dry_run)
                if refused:
                    self.rejects.add(refused)
                checkpoint.after, checkpoint.done = some.end, checkpoint.done + some.size
                is_full = (
                    some.alone or checkpoint.done >= most or not self.attempt.database.has_room(connection)
                )
                if is_full or self.attempt.database.has_waiters():
                    break
            if not self._dry_run:
                merger.close(connection)
            checkpoint.rejects = self.rejects.save()
            self.attempt.note(done=checkpoint.done)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._dry_run:
            with self.attempt.database.read() as connection:
                yield connection
            self.attempt.report()
        else:
            with saving(self.attempt, self.checkpoint) as connection:
                yield connection

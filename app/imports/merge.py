"""The second phase: range by range into the database, each with the checkpoint in one short transaction."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from sqlalchemy.engine import Connection

from app.imports import mergers, parse, rejects
from app.imports.checkpoint import Checkpoint, saving
from app.imports.counts import settle
from app.imports.readers import reader
from app.imports.sizes import Sizes
from app.process import collect_now, leave_one_processor
from app.repository import catalogue, imports
from app.tasks.attempt import Attempt


class Merge:
    """Merges the parts of an import from a checkpoint on, and keeps that up to date.

    `start`: of the import, epoch seconds.
    """

    def __init__(
        self,
        attempt: Attempt,
        checkpoint: Checkpoint,
        parts: list[parse.Part],
        reject_file: rejects.RejectFile,
        start: int,
        sizes: Sizes,
    ) -> None:
        self._attempt, self._checkpoint, self._parts = attempt, checkpoint, parts
        self._rejects, self._start, self._sizes = reject_file, start, sizes
        self._dry_run = bool(attempt.task.params.get("dry_run"))
        self._give_way_until = time.monotonic() + sizes.give_way_seconds

    def run(self) -> None:
        with self._attempt.database.busy():
            collect_now()
        try:
            self._merge_parts()
        finally:
            leave_one_processor(False)

    def _merge_parts(self) -> None:
        checkpoint = self._checkpoint
        for part in self._parts[checkpoint.part :]:
            merger = self._merger(part)
            ranges = merger.ranges(checkpoint.after)
            for first in ranges:
                self._merge(merger, chain([first], ranges))
            checkpoint.part, checkpoint.after = checkpoint.part + 1, None
        checkpoint.merged = True
        with saving(self._attempt, checkpoint):
            pass  # from here on the parts are not needed again
        settle(self._attempt.database, self._attempt.transaction)

    def _merger(self, part: parse.Part) -> mergers.Merger:
        seq = self._attempt.task.seq
        if part.rows == reader.RATINGS:
            return mergers.RatingMerger(part.sorted, seq, self._checkpoint.movies_deleted, self._rows)
        noun = catalogue.MOVIE if part.rows == reader.MOVIES else catalogue.LINK
        return mergers.CatalogueMerger(part.spool, noun, seq, self._sizes.catalogue_rows, self._start)

    def _rows(self) -> int:
        """Rows of the next range: few while there are other writers, who wait for its end."""
        rows = self._attempt.settings.import_chunk // self._sizes.ranges
        few = self._attempt.database.was_wanted() or time.monotonic() < self._give_way_until
        leave_one_processor(few)
        return max(1, rows // self._sizes.give_way if few else rows)

    def _merge(self, merger: mergers.Merger, ranges: Iterator[mergers.Range]) -> None:
        """One transaction: it takes range after range until another writer waits for it, or it is large."""
        checkpoint = self._checkpoint
        most = checkpoint.done + self._attempt.settings.import_chunk
        with self._transaction() as connection:
            for some in ranges:
                refused = merger.merge(connection, some, checkpoint.figures, dry_run=self._dry_run)
                if refused:
                    self._rejects.add(refused)
                checkpoint.after, checkpoint.done = some.end, checkpoint.done + some.size
                is_full = checkpoint.done >= most or not imports.has_room(connection)
                if is_full or self._attempt.database.is_wanted():
                    break
            if not self._dry_run:
                merger.close(connection)
            checkpoint.rejects = self._rejects.checkpoint
            self._attempt.note(done=checkpoint.done)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._dry_run:
            with self._attempt.database.read() as connection:
                yield connection
            self._attempt.report()
        else:
            with saving(self._attempt, self._checkpoint) as connection:
                yield connection

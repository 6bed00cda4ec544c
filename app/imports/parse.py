"""The first phase: files to sorted runs and spools, with no lock on the database and no write to it.

Nothing of it outlives the process: an import that was killed parses again. The same files come to the same
parts, as long as the known movies are those of the first time.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from app.imports import readers, rejects, runs
from app.imports.checkpoint import Parsed
from app.imports.readers import reader
from app.imports.readers.ratings import UNKNOWN_MOVIE

ROW_BYTES = 25
"""Of a rating in a file: user, movie, score, time."""


class Part(NamedTuple):
    """What one file came to. `rows`: ratings, which have runs, or movies or links, which have a spool."""

    rows: str
    sorted: Sequence[runs.Run] = ()
    spool: Path = Path()


class Parser:
    """Parses the files of one upload; what does not stay in memory goes to `directory`.

    `reject` takes the rows that are no good. `parts` are in the order in which they are merged.
    """

    def __init__(
        self,
        directory: Path,
        context: reader.Context,
        reject: Callable[[list[rejects.Reject]], object],
        report: Callable[..., object],
    ) -> None:
        self._directory, self._context, self._reject, self._report = directory, context, reject, report
        self.parsed = Parsed()
        self.parts: list[Part] = []
        self._done = 0

    def parse(self, file: readers.Recognised) -> None:
        """Read one file whole. Raises `Invalid`, `TooLarge`."""
        self.parsed.formats.append(file.reader.name)
        path = self._directory / str(len(self.parts))
        parse = self._ratings if file.reader.rows == reader.RATINGS else self._spool
        self.parts.append(parse(file, path))

    def _ratings(self, file: readers.Recognised, directory: Path) -> Part:
        directory.mkdir(parents=True)
        room, sizes = self._room(file.member.size), self._context.sizes
        with runs.RunWriter(directory, room, sizes, lambda: self._report(done=self._done)) as writer:
            for good in self._good(file):
                writer.add(good)
        self.parsed.duplicate += writer.duplicates
        return Part(reader.RATINGS, writer.runs)

    def _room(self, size: int) -> int:
        """How many rows of a file may stay in memory: none where its size says that they are too many."""
        room = self._context.sizes.rows_in_memory - sum(
            len(run) for part in self.parts for run in part.sorted
        )
        return room if size <= room * ROW_BYTES else 0

    def _spool(self, file: readers.Recognised, path: Path) -> Part:
        with path.open("w", encoding="utf-8") as spool:
            for good in self._good(file):
                spool.writelines(json.dumps(row) + "\n" for row in good)
        return Part(file.reader.rows, spool=path)

    def _good(self, file: readers.Recognised) -> Iterator[Any]:
        """The good rows of each batch of a file; the others are counted and rejected."""
        before = self._done
        with file.member.open() as source:
            for batch in file.reader.read(source, self._context):
                self._count(batch)
                yield batch.good
                self._done = before + source.position()
                self._report(done=self._done)

    def _count(self, batch: reader.Batch) -> None:
        self.parsed.read += batch.read
        self.parsed.rejected += len(batch.rejects)
        self.parsed.unknown_movies += sum(reject.reason == UNKNOWN_MOVIE for reject in batch.rejects)
        if batch.rejects:
            self._reject(batch.rejects)

"""The first phase: files to sorted runs and spools, with no lock on the database and no write to it.

Nothing of it outlives the process: an import that was killed parses again. The same files come to the same
parts, as long as the known movies are those of the first time.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.imports import forgotten, readers, rejects, runs
from app.imports.checkpoint import Parsed
from app.imports.gathering import Gathering
from app.imports.readers import reader
from app.imports.readers.fields import OFF_SCALE
from app.imports.readers.lines import LineReader
from app.imports.readers.ratings import UNKNOWN_MOVIE
from app.rating import RatingColumns

ROW_BYTES = 25
"""Of a rating in a file: user, movie, score, time."""


MOST_OFF = 0.01
"""Share of scores off 0.5 to 5 above which a file of ratings is on another scale."""


def _of_merged(ratings: RatingColumns, merged: dict[int, int]) -> RatingColumns:
    """The ratings of merged movies as those of what these are now."""
    if not merged:
        return ratings
    before = np.array(sorted(merged), np.int64)
    found = np.isin(ratings.movie_id, before)
    if not found.any():
        return ratings
    after = np.array([merged[movie_id] for movie_id in before.tolist()], np.int64)
    movie_id = ratings.movie_id.copy()
    movie_id[found] = after[np.searchsorted(before, movie_id[found])]
    return replace(ratings, movie_id=movie_id)


class OffScale(Exception):
    """So many scores of a file lie off the scale that it has to be judged as a whole: (place of the file)."""


class Part(NamedTuple):
    """What one file came to. `rows`: ratings, which have runs, or movies or links, which have a spool.

    The last part goes through the `spools` of movies and links once more.
    """

    rows: str
    sorted_runs: Sequence[runs.Run] = ()
    spool: Path = Path()
    spools: Sequence[Path] = ()


@dataclass
class Parser:
    """Parses the files of one upload; what does not stay in memory goes to `directory`.

    `reject` takes the rows that are no good. `parts` are in the order in which they are merged. `judged`:
    what an earlier attempt assumed of each file. `gathering` takes the rows whose movie is not there.
    """

    directory: Path
    context: reader.Context
    reject: Callable[[list[rejects.Reject]], object]
    report: Callable[..., object]
    gathering: Gathering
    judged: Sequence[dict[str, Any] | None] = ()
    parsed: Parsed = field(default_factory=Parsed)
    parts: list[Part] = field(default_factory=list)
    done: int = 0
    """Stored bytes that were read."""
    scored: int = 0
    """Scores of the file that is read, of which `off_scale` are off the scale."""
    off_scale: int = 0

    def parse(self, file: readers.Recognised) -> None:
        """Read one file whole. Raises `Invalid`, `TooLarge`, and `OffScale` if it has to be judged first."""
        place, read = len(self.parsed.formats), file.reader
        assumed = None
        if isinstance(read, reader.Judging):
            known = self.judged[place] if self.judged else None
            assumed = known or read.judge(file.member, self.context.sizes)
            file = file._replace(reader=read.settled(assumed))
        self.parsed.formats.append(read.name)
        self.parsed.assumed.append(assumed)
        path = self.directory / str(place)
        self.scored = self.off_scale = 0
        if read.rows == reader.MARKS:
            for _ in self._good(file):
                pass
            return
        parse = self._ratings if read.rows == reader.RATINGS else self._spool
        self.parts.append(parse(file, path))
        if isinstance(read, LineReader) and self.off_scale > MOST_OFF * self.scored:
            raise OffScale(place)

    def finish(self, *, make: bool) -> None:
        """Add the parts of what the files had beside ratings, movies and links; `make`: see `Gathering`."""
        if self.parsed.marks:
            self.parts.append(Part(reader.MARKS, spool=self._marks))
        path = self.directory / reader.WAITING
        if self.gathering.spool(path, make=make):
            self.parts.append(Part(reader.WAITING, spool=path))
        spools = [part.spool for part in self.parts if part.rows in (reader.MOVIES, reader.LINKS)]
        if spools or make:
            self.parts.append(Part(reader.ARRIVALS, spools=spools))

    @property
    def _marks(self) -> Path:
        return self.directory / reader.MARKS

    def _ratings(self, file: readers.Recognised, directory: Path) -> Part:
        directory.mkdir(parents=True)
        room, sizes = self._room(file.member.size), self.context.sizes
        with runs.RunWriter(directory, room, sizes, lambda: self.report(done=self.done)) as writer:
            for good in self._good(file):
                writer.add(_of_merged(good, self.context.merged))
        self.parsed.duplicate += writer.duplicates
        return Part(reader.RATINGS, writer.runs)

    def _room(self, size: int) -> int:
        """How many rows of a file may stay in memory: none where its size says that they are too many."""
        room = self.context.sizes.rows_in_memory - sum(
            len(run) for part in self.parts for run in part.sorted_runs
        )
        return room if size <= room * ROW_BYTES else 0

    def _spool(self, file: readers.Recognised, path: Path) -> Part:
        with path.open("w", encoding="utf-8") as spool:
            for good in self._good(file):
                spool.writelines(json.dumps(row) + "\n" for row in good)
        return Part(file.reader.rows, spool=path)

    def _good(self, file: readers.Recognised) -> Iterator[Any]:
        """The good rows of each batch of a file; the others are counted and rejected."""
        before = self.done
        with file.member.open() as source:
            for found in file.reader.read(source, self.context):
                batch = forgotten.without(found, self.context.forgotten)
                self._count(batch)
                yield batch.good
                self.done = before + source.position()
                self.report(done=self.done)

    def _count(self, batch: reader.Batch) -> None:
        self.parsed.read += batch.read
        self.parsed.rejected += len(batch.rejects)
        unknown = sum(reject.reason == UNKNOWN_MOVIE for reject in batch.rejects)
        off = sum(reject.reason == OFF_SCALE for reject in batch.rejects)
        self.parsed.unknown_movies += unknown
        self.scored += len(batch.good) + unknown + off
        self.off_scale += off
        refused = [reject for row in batch.missing if (reject := self.gathering.add(row))]
        self.parsed.rejected += len(refused)
        if batch.marks:
            self._spool_marks(batch.marks)
        if batch.rejects or refused:
            self.reject([*batch.rejects, *refused])

    def _spool_marks(self, marks: Sequence[reader.Mark]) -> None:
        merged = self.context.merged
        with self._marks.open("a", encoding="utf-8") as spool:
            for mark in marks:
                self.parsed.marks[mark.mark] = self.parsed.marks.get(mark.mark, 0) + 1
                row = mark._replace(movie_id=merged.get(mark.movie_id, mark.movie_id))
                spool.write(json.dumps(row) + "\n")

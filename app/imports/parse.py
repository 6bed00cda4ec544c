"""The first phase: files to sorted runs and spools, with no lock on the database and no write to it.

Nothing of it outlives the process: an import that was killed parses again. The same files come to the same
parts, as long as the known movies are those of the first time.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from app.imports import lanes, strict
from app.imports.files import Member
from app.imports.formats import MOVIES, RATINGS, Format, Recognised
from app.imports.lanes import Lane, fast_lane, strict_lane
from app.imports.lines import blocks, split
from app.imports.rejects import Reject
from app.imports.runs import IN_MEMORY, Run, RunWriter

ROW_BYTES = 25
"""Of a rating in a file: user, movie, score, time."""


class Report(Protocol):
    def __call__(self, *, done: int) -> None: ...


@dataclass
class Parsed:
    """What the parse found, as the cursor keeps it.

    `left_out`: files of a zip that are no ratings, movies or links.
    """

    read: int = 0
    duplicate: int = 0
    rejected: int = 0
    unknown_movies: int = 0
    formats: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def good(self) -> int:
        return self.read - self.duplicate - self.rejected


class Part(NamedTuple):
    """What one file came to. `rows`: ratings, which have runs, or movies or links, which have a spool."""

    rows: str
    runs: Sequence[Run] = ()
    spool: Path = Path()


class Parser:
    """Parses the files of one upload; what does not stay in memory goes into `directory`.

    `reject` takes the rows that are no good. `start`: of the import, epoch seconds. `personal` makes the
    lane of a format that is one user's. `parts` are in the order in which they are merged.
    """

    def __init__(
        self,
        directory: Path,
        reject: Callable[[list[Reject]], object],
        known_movies: set[int],
        start: int,
        report: Report,
        personal: Callable[[Format, list[str]], Lane] | None = None,
    ) -> None:
        self.directory, self.start = directory, start
        self._reject_rows = reject
        self.parsed = Parsed()
        self.parts: list[Part] = []
        self._known_movies = known_movies
        self._report = report
        self._personal = personal
        self._done = 0
        self._line = 1

    def parse(self, file: Recognised) -> None:
        """Read one file whole. Raises `Invalid`, `TooLarge`."""
        member, known, header = file
        self.parsed.formats.append(known.name)
        path = self.directory / str(len(self.parts))
        parse = self._ratings if known.rows == RATINGS else self._spool
        self.parts.append(parse(member, known, header, path))

    def _ratings(self, member: Member, known: Format, header: list[str], directory: Path) -> Part:
        directory.mkdir(parents=True)
        lane = self._lane(member, known, header)
        with RunWriter(directory, self._room(member), lambda: self._report(done=self._done)) as writer:
            for block in self._blocks(member):
                good, bad, lines = lane(block, self._line)
                self._line += lines
                writer.add(good)
                self._reject(bad)
        self.parsed.duplicate += writer.duplicates
        return Part(RATINGS, writer.runs)

    def _room(self, member: Member) -> int:
        """How many rows of a file may stay in memory: none where its size says that they are too many."""
        room = IN_MEMORY - sum(len(run) for part in self.parts for run in part.runs)
        return room if member.size <= room * ROW_BYTES else 0

    def _lane(self, member: Member, known: Format, header: list[str]) -> Lane:
        if known.personal:
            assert self._personal is not None  # noqa: S101
            return self._personal(known, header)
        make = fast_lane if member.size >= lanes.FAST_FROM else strict_lane
        return make(known, header, self._known_movies, self.start)

    def _spool(self, member: Member, known: Format, header: list[str], path: Path) -> Part:
        parse = strict.movies if known.rows == MOVIES else strict.links
        with path.open("w", encoding="utf-8") as spool:
            for block in self._blocks(member):
                lines = split(block)
                rows = list(parse(lines, self._line, known, header, self._known_movies))
                self._line += len(lines)
                self._reject([row for row in rows if isinstance(row, Reject)])
                spool.writelines(json.dumps(row) + "\n" for row in rows if not isinstance(row, Reject))
        return Part(known.rows, spool=path)

    def _blocks(self, member: Member) -> Iterator[bytes]:
        """The lines behind the header in blocks; `_line` is the number of the first of each."""
        before, self._line = self._done, 1
        with member.open() as source:
            for block in blocks(source.stream):
                start = 0
                if self._line == 1:
                    self._line, start = 2, block.find(b"\n") + 1 or len(block)
                if start < len(block):
                    yield block[start:]
                self._done = before + source.position()
                self._report(done=self._done)
        self.parsed.read += self._line - 2

    def _reject(self, bad: list[Reject]) -> None:
        self.parsed.rejected += len(bad)
        self.parsed.unknown_movies += sum(reject.reason == strict.UNKNOWN_MOVIE for reject in bad)
        if bad:
            self._reject_rows(bad)

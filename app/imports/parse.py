"""The first phase: files to sorted runs and spools, with no lock on the database and no write to it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from app.imports import lanes, strict
from app.imports.files import Member
from app.imports.formats import MOVIES, RATINGS, Format, Recognised
from app.imports.lanes import Lane, fast_lane, strict_lane
from app.imports.lines import blocks, split
from app.imports.rejects import Reject, RejectFile
from app.imports.runs import RunWriter


class Report(Protocol):
    def __call__(self, *, done: int) -> None: ...


@dataclass
class Parsed:
    """What the parse found, as the cursor keeps it.

    `parts`: `{"rows": "ratings", "runs": [[name, rows], ...]}` or `{"rows": "movies", "spool": name}`,
    in the order in which they are merged. `left_out`: files of a zip that are no ratings, movies or links.
    """

    read: int = 0
    duplicate: int = 0
    rejected: int = 0
    unknown_movies: int = 0
    formats: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def good(self) -> int:
        return self.read - self.duplicate - self.rejected


class Parser:
    """Parses the files of one upload into `directory`. `start`: of the import, epoch seconds.

    `personal` makes the lane of a format that is one user's.
    """

    def __init__(
        self,
        directory: Path,
        rejects: RejectFile,
        known_movies: set[int],
        start: int,
        report: Report,
        personal: Callable[[Format, list[str]], Lane] | None = None,
    ) -> None:
        self.directory, self.start = directory, start
        self._rejects = rejects
        self.parsed = Parsed()
        self._known_movies = known_movies
        self._report = report
        self._personal = personal
        self._done = 0
        self._line = 1

    def parse(self, file: Recognised) -> None:
        """Read one file whole. Raises `Invalid`, `TooLarge`."""
        member, known, header = file
        self.parsed.formats.append(known.name)
        number = len(self.parsed.parts)
        if known.rows == RATINGS:
            part = self._ratings(member, known, header, self.directory / str(number))
        else:
            part = self._spool(member, known, header, f"{number}.jsonl")
        self.parsed.parts.append({"rows": known.rows} | part)

    def _ratings(self, member: Member, known: Format, header: list[str], directory: Path) -> dict[str, Any]:
        directory.mkdir(parents=True)
        lane = self._lane(member, known, header)
        with RunWriter(directory) as writer:
            for block in self._blocks(member):
                good, bad, lines = lane(block, self._line)
                self._line += lines
                writer.add(good)
                self._reject(bad)
        self.parsed.duplicate += writer.duplicates
        return {"runs": [[str(run.path.relative_to(self.directory)), run.rows] for run in writer.runs]}

    def _lane(self, member: Member, known: Format, header: list[str]) -> Lane:
        if known.personal:
            assert self._personal is not None  # noqa: S101
            return self._personal(known, header)
        make = fast_lane if member.size >= lanes.FAST_FROM else strict_lane
        return make(known, header, self._known_movies, self.start)

    def _spool(self, member: Member, known: Format, header: list[str], name: str) -> dict[str, Any]:
        parse = strict.movies if known.rows == MOVIES else strict.links
        with (self.directory / name).open("w", encoding="utf-8") as spool:
            for block in self._blocks(member):
                lines = split(block)
                rows = list(parse(lines, self._line, known, header, self._known_movies))
                self._line += len(lines)
                self._reject([row for row in rows if isinstance(row, Reject)])
                spool.writelines(json.dumps(row) + "\n" for row in rows if not isinstance(row, Reject))
        return {"spool": name}

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
            self._rejects.add(bad)

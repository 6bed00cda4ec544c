"""The rows of a batch, sorted by what they come to: ratings, marks, and those whose movie is not there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.imports.names import search_keys
from app.imports.readers import movies, ratings, reader
from app.imports.rejects import Reject
from app.mark import Mark, Marked
from app.repository.waiting import Waiting


class Said(NamedTuple):
    """What a row says of a movie: half steps, or `mark`; `at`: when, None for a row that does not say it.

    `is_set`: false where the mark was taken away.
    """

    line: int
    user_id: int
    steps: int | None
    mark: str
    at: int | None
    is_set: bool = True


@dataclass
class Sorting:
    """`start`: of the import, which is the time of rows that say none."""

    finder: movies.Finder
    start: int
    good: list[tuple[int, int, int, int, bool, int]] = field(default_factory=list)
    marks: list[reader.Mark] = field(default_factory=list)
    missing: list[reader.Missing] = field(default_factory=list)

    def add(self, said: Said, text: Mapping[str, str]) -> None:
        """Raises `BadField` for what is no movie."""
        found = self.finder.find(text, said.user_id)
        at = self.start if said.at is None else said.at
        if isinstance(found, movies.Unfound):
            self.missing.append(_missing(said, found, at))
        elif said.steps is None:
            mark = reader.Mark(said.line, said.user_id, found, said.mark, at, said.is_set)
            self.marks.append(mark)
        else:
            self.good.append((said.user_id, found, said.steps, at, said.at is not None, said.line))

    def batch(self, rejects: Sequence[Reject], read: int) -> reader.Batch:
        good: Any = ratings.in_columns(self.good)[0]
        return reader.Batch(good, list(rejects), read, self.marks, self.missing)


def _missing(said: Said, found: movies.Unfound, at: int) -> reader.Missing:
    work, match = found.work, found.match
    row = Waiting(
        said.user_id,
        work.key,
        found.title,
        work.year,
        work.imdb_id,
        work.tmdb_id,
        score=None if said.steps is None else said.steps / 2,
        rated_at=None if said.steps is None else said.at,
        marks={Mark(said.mark): Marked(said.is_set, at)} if said.steps is None else {},
        reason=match.why,
        candidates=tuple((one.movie_id, one.why) for one in match.candidates),
        search_keys=search_keys(found.title),
    )
    return reader.Missing(said.line, row, bool(work.titles) and not match.has_rivals)

"""The rows of an upload whose movie is not there: one a person and work, and which of them become a movie."""

import json
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.imports.names import title_key
from app.imports.readers import reader
from app.imports.rejects import Reject
from app.repository import waiting
from app.repository.waiting import Waiting

NO_ROOM = f"its movie is not there, and {waiting.MOST:,} rows wait already"


@dataclass
class Group:
    """What rows of a person and a work come to. `lines`: where they stand; `scores`: of how many ratings."""

    row: Waiting
    is_new: bool
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    scores: int = 0

    def join(self, other: "Group") -> None:
        ids = {
            name: getattr(self.row, name) if getattr(other.row, name) is None else getattr(other.row, name)
            for name in ("imdb_id", "tmdb_id")
        }
        self.row = replace(waiting.joined(self.row, other.row), **ids)
        self.is_new = self.is_new and other.is_new
        self.lines.extend(other.lines)
        self.scores += other.scores

    def to_json(self) -> list[Any]:
        return [waiting.to_json(self.row), self.lines.tolist(), self.scores]

    @classmethod
    def from_json(cls, data: list[Any]) -> "Group":
        row, lines, scores = data
        return cls(waiting.from_json(row), True, array("q", lines), scores)


class Gathering:
    """Takes the rows of an upload as they come, up to `waiting.MOST` people's works."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, str], Group] = {}

    def add(self, missing: reader.Missing) -> Reject | None:
        """The reject, if there is no room for the row."""
        row = missing.row
        group = Group(row, missing.is_new, array("q", [missing.line]), int(row.score is not None))
        known = self._groups.get((row.user_id, row.work))
        if known is not None:
            known.join(group)
        elif len(self._groups) < waiting.MOST:
            self._groups[row.user_id, row.work] = group
        else:
            return Reject(missing.line, "", row.title, NO_ROOM)
        return None

    def spool(self, path: Path, *, make: bool) -> bool:
        """Write a line a movie that is to be made, with its rows, and a line a row that waits.

        `make`: whether any is to be made. Returns whether there is a line.
        """
        made = self._made() if make else {}
        films: dict[str, dict[int, Group]] = defaultdict(dict)
        with path.open("w", encoding="utf-8") as spool:
            for (user_id, work), group in self._groups.items():
                if work not in made:
                    spool.write(json.dumps([False, [group.to_json()]]) + "\n")
                elif user_id in (people := films[made[work]]):
                    people[user_id].join(group)
                else:
                    people[user_id] = group
            for film in films.values():
                rows = [film[user_id].to_json() for user_id in sorted(film)]
                spool.write(json.dumps([True, rows]) + "\n")
        return bool(self._groups)

    def _made(self) -> dict[str, str]:
        """The works that become movies, with the work whose movie each of them is.

        Of works of one title and year those with different ids of IMDb are movies of their own; one without
        an id is the only one that has one, if that is certain.
        """
        alike: dict[tuple[str, int | None], dict[str, Waiting]] = defaultdict(dict)
        rivalled = {work for (_, work), group in self._groups.items() if not group.is_new}
        for (_, work), group in self._groups.items():
            alike[title_key(group.row.title), group.row.year][work] = group.row
        made: dict[str, str] = {}
        for works in alike.values():
            if rivalled.isdisjoint(works):
                made |= dict(_distinct(works))
        return made


def _distinct(works: dict[str, Waiting]) -> Iterator[tuple[str, str]]:
    with_id = [work for work, row in works.items() if row.imdb_id is not None or row.tmdb_id is not None]
    if len(works) == 1 or len(with_id) == 1:
        film = with_id[0] if with_id else next(iter(works))
        yield from ((work, film) for work in works)
    elif all(row.imdb_id is not None for row in works.values()):
        yield from ((work, work) for work in works)

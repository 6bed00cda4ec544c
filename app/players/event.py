"""An event of a player: what a person did with a movie, and when."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.imports.works import Work
from app.movie import LONGEST_TITLE

LONGEST_NAME = 100
"""Characters of a user's name in a player, and of a session, that are looked at."""


class What(StrEnum):
    WATCHED = "watched"
    RATED = "rated"
    LIKED = "liked"
    UNLIKED = "unliked"


class Ignored(Exception):
    """A message that says nothing of a movie; the argument says why, as a sentence."""


@dataclass(frozen=True, slots=True)
class Event:
    """`name`: of the user in the player, "" if it has none; `session`: likewise. `score`: of a rated movie.

    `at`: epoch seconds, of what was done and not of its message.
    """

    what: What
    work: Work
    at: int
    name: str = ""
    session: str = ""
    score: float | None = None

    def to_json(self) -> dict[str, Any]:
        work = {name: getattr(self.work, name) for name in ("titles", "year", "imdb_id", "tmdb_id")}
        work["titles"] = list(self.work.titles)
        names = ("what", "at", "name", "session", "score")
        return {name: getattr(self, name) for name in names} | {"work": work}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Event":
        work = Work(**data["work"] | {"titles": tuple(data["work"]["titles"])})
        return cls(**data | {"what": What(data["what"]), "work": work})

    @property
    def digest(self) -> str:
        """The same for the same event."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    @property
    def title(self) -> str:
        """Of the movie, as it is kept."""
        return self.work.titles[0][:LONGEST_TITLE]

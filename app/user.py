"""People: what one is, and how names are compared."""

import unicodedata
from dataclasses import dataclass

LONGEST_NAME = 100
FIRST_USER_ID = 1_000_000_000
"""People who are made here are numbered from here, so that no import meets them by accident."""


@dataclass(frozen=True, slots=True)
class User:
    """A person, or an id without a name that has ratings. `created_at`: epoch seconds of the name."""

    id: int
    name: str | None = None
    rating_count: int = 0
    created_at: float | None = None


def name_key(name: str) -> str:
    """The form in which names are compared: Unicode NFKC, casefolded, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())

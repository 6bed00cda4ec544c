"""People: what one is, how names are compared, the roles, and who sends a request."""

import math
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

LONGEST_NAME = 100
FIRST_USER_ID = 1_000_000_000
"""People who are made here are numbered from here, so that no import meets them by accident."""


@dataclass(frozen=True, slots=True)
class User:
    """A person, or an id without a name that has ratings. `created_at`: epoch seconds of the name.

    `together`: others may have a list made that is for them too.
    """

    id: int
    name: str | None = None
    rating_count: int = 0
    created_at: float | None = None
    together: bool = False


class Role(StrEnum):
    """What a person may do; each role includes those before it."""

    VIEWER = "viewer"  # reads the catalogue; rates, imports and is recommended for themselves
    EDITOR = "editor"  # does that for others too; changes the catalogue, imports for several people, rebuilds
    ADMIN = "admin"  # people, keys, models, audit

    def includes(self, other: "Role") -> bool:
        return _ROLES.index(self) >= _ROLES.index(other)


_ROLES = [*Role]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and until when that is known (epoch seconds).

    `key`: the prefix of their API key, `only_at`: the only path that it is good for. `session`: of their
    login, `by_cookie`: in a browser.
    """

    role: Role
    user_id: int | None = None
    key: str | None = None
    only_at: str | None = None
    session: str | None = None
    by_cookie: bool = False
    until: float = field(default=math.inf, compare=False)  # who is the same may be known for longer

    @property
    def confined_to(self) -> int | None:
        """The only person whose ratings and tasks the caller may see; None: everybody's."""
        return self.user_id if self.role is Role.VIEWER else None

    @property
    def scope(self) -> str:
        """Distinguishes callers, as an idempotency key does; empty with the door off."""
        return self.key or ("" if self.user_id is None else str(self.user_id))


ANYBODY = Caller(Role.ADMIN)
"""With the door off every caller is an admin without a name."""


def name_key(name: str) -> str:
    """The form in which names are compared: Unicode NFKC, casefolded, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())

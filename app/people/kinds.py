"""The kind of task that moves one person's ratings into another's."""

from dataclasses import dataclass

from app.imports import merges
from app.imports.kinds import has_begun
from app.repository.import_order import MERGE_USERS
from app.tasks.kinds import RATINGS, Kind, later


@dataclass(frozen=True, slots=True)
class MergeParams:
    """The ratings of `from_id` become those of `user_id`."""

    user_id: int
    from_id: int


MERGE: Kind[MergeParams] = Kind(
    MERGE_USERS,
    MergeParams,
    later("app.people.merge", "run"),
    RATINGS,
    check=merges.check,
    aliases={"from_id": "from"},
    has_begun=has_begun,
    shown=merges.shown,
)

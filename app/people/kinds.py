"""The kind of task that moves one person's ratings into another's."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from app.errors import Conflict
from app.imports.kinds import has_begun, noun
from app.repository import import_order
from app.repository.import_order import MERGE_USERS
from app.task import CANCELLED, COMPLETE, Task
from app.tasks.kinds import RATINGS, Kind, Shown, later


@dataclass(frozen=True, slots=True)
class MergeParams:
    """The ratings of `from_id` become those of `user_id`."""

    user_id: int
    from_id: int


def _check(connection: Connection, task: Task) -> None:
    """Raises `Conflict` with the reason if the database has changed so that the merge cannot go on."""
    for undo in import_order.undos_of(connection, task.id):
        if undo.status == COMPLETE or has_begun(undo) or not undo.ended:
            raise Conflict(f"Merge {task.id} was undone, or is being undone. Start another one.")
    if has_begun(task) and (newer := import_order.newest_after(connection, task)):
        raise Conflict(f"{noun(newer)} {newer.id} has written since. Undo that one first, then this merge.")


def _shown(task: Task) -> Shown:
    figures = (task.checkpoint or {}).get("figures", {})
    rows = int(sum(figures.get(name, 0) for name in ("new", "replaced", "deleted")))
    left = "Cancelled before anything was written."
    if rows:
        left = f"Cancelled after {rows:,} ratings were merged. POST /tasks/{task.id}/undo takes them back."
    return Shown(written=rows, left_behind=left if task.status == CANCELLED else None)


MERGE: Kind[MergeParams] = Kind(
    MERGE_USERS,
    MergeParams,
    later("app.people.merge", "run"),
    RATINGS,
    check=_check,
    aliases={"from_id": "from"},
    has_begun=has_begun,
    shown=_shown,
)

"""Forgetting a person: all that is kept of them goes, in one transaction; models at the next rebuild.

Files go before the transaction is committed: after a kill in between it is done again, and nothing is left.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from app.config import Settings
from app.dumps import traces as dumps
from app.errors import AppError, Conflict, NotFound
from app.imports.counts import settle
from app.imports.kinds import has_begun
from app.people import traces
from app.repository import accounts, audit, forgetting, models, task_events, tasks
from app.storage import Database
from app.storage.schema import api_keys, invitations, sessions
from app.task import RETRIABLE, Task
from app.tasks.kinds import MODEL, kind_of, names

REBUILD_AT = "POST /recommender/rebuild"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for it, as the audit notes them."""

    user_id: int | None = None
    key: str | None = None
    address: str | None = None
    request_id: str | None = None


@dataclass
class Report:
    """How many rows and files of each kind were deleted, and what remains until when."""

    user_id: int
    deleted: dict[str, int] = field(default_factory=dict)
    remains: dict[str, Any] = field(default_factory=dict)


def forget(database: Database, settings: Settings, user_id: int, asker: Asker, *, now: float) -> Report:
    """Forget a person or an id that has ratings.

    Raises `NotFound` if nothing is kept of them, `Conflict` for the last admin, and while an import or a dump
    that may hold them is to go on.
    """
    settle(database, database.write)  # so that no count is below zero, even for a moment
    with database.write() as connection:
        report = forget_within(connection, settings, user_id, asker, now=now)
    report.remains["storage"] = database.scrub()
    return report


def forget_within(
    connection: Connection, settings: Settings, user_id: int, asker: Asker, *, now: float
) -> Report:
    """Forget a person in a transaction that writes. Raises as `forget` does."""
    report = Report(user_id)
    tasks.hold(connection)
    theirs = forgetting.tasks_about(connection, user_id)
    _refuse_imports(connection, settings, user_id, {task.id for task in theirs})
    dumps.refuse(connection, user_id)
    report.deleted = _forget(connection, settings, user_id, theirs)
    report.deleted["dumps"] = dumps.remove(connection, settings, user_id)
    if not any(report.deleted.values()):
        raise NotFound(f"Nothing is kept of user {user_id}. GET /users?all=true lists those who are known.")
    report.deleted["uploads"] = _remove_files(connection, settings, user_id, theirs)
    forgetting.note_forgotten(connection)
    _note(connection, user_id, asker, now)
    report.remains = _remains(connection)
    return report


def _refuse_imports(connection: Connection, settings: Settings, user_id: int, theirs: set[str]) -> None:
    """Raises `Conflict` for an import, merge or undo that will or may write ratings of the person."""
    for task in forgetting.writers(connection):
        if task.ended and (task.id in theirs or not _can_go_on(connection, settings, task)):
            continue
        if not traces.may_hold(settings, task, user_id):
            continue
        if task.ended:
            raise Conflict(
                f"Task {task.id} was left in part, can go on, and may hold ratings of user {user_id}. End it "
                f"by POST /tasks/{task.id}/retry, or POST /tasks/{task.id}/undo takes back what it wrote."
            )
        raise Conflict(
            f"Task {task.id} is {task.status} and may hold ratings of user {user_id}. "
            f"Wait for its end, or POST /tasks/{task.id}/cancel; then ask again."
        )


def _can_go_on(connection: Connection, settings: Settings, task: Task) -> bool:
    """Whether a task was left in part, and a retry would write the rest."""
    kind = kind_of(task.kind)
    if task.status not in RETRIABLE or not has_begun(task) or kind.missing(settings, task):
        return False
    try:
        kind.check(connection, task)
    except AppError:
        return False
    return True


def _forget(connection: Connection, settings: Settings, user_id: int, theirs: list[Task]) -> dict[str, int]:
    prefixes = forgetting.key_prefixes(connection, user_id)
    images, later = forgetting.forget_undos(connection, user_id)
    deleted = {
        "ratings": forgetting.forget_ratings(connection, user_id),
        "first_raters": forgetting.forget_first_raters(connection, user_id),
        "before_images": images,
        "later_writes": later,
        "idempotency_records": forgetting.forget_answers(connection, user_id, prefixes),
    }
    deleted |= forgetting.forget_rest(connection, user_id)
    deleted |= _forget_account(connection, user_id)
    deleted |= _forget_tasks(connection, settings, user_id, theirs)
    deleted["audit_rows_without_person"] = forgetting.forget_in_audit(connection, user_id, prefixes)
    return deleted | {"names": forgetting.forget_name(connection, user_id)}


def _forget_account(connection: Connection, user_id: int) -> dict[str, int]:
    """Raises `Conflict` for the last admin."""
    tables = {"sessions": sessions, "invitations": invitations, "keys": api_keys}
    counted = {
        name: forgetting.count(connection, table, lambda columns: columns.user_id == user_id)
        for name, table in tables.items()
    }
    has_account = accounts.find(connection, user_id) is not None
    if has_account:
        accounts.remove(connection, user_id)
    return {"accounts": int(has_account)} | counted


def _forget_tasks(
    connection: Connection, settings: Settings, user_id: int, theirs: list[Task]
) -> dict[str, int]:
    """Delete the tasks about the person, and what the rows and rejects of others say of them."""
    tasks.remove(connection, theirs)
    cleared = 0
    for task in forgetting.writers(connection):
        if task.ended:
            cleared += traces.clear_rejects(settings, task, user_id)
            _clear_row(connection, task, user_id)
    disowned = forgetting.disown(connection, user_id)
    return {"tasks": len(theirs), "tasks_without_person": disowned, "rejected_values": cleared}


def _remove_files(connection: Connection, settings: Settings, user_id: int, theirs: list[Task]) -> int:
    """Remove the files of the tasks about the person, and uploads of others that may hold them.

    Returns how many uploads that were.
    """
    for task in theirs:
        traces.remove_rejects(settings, task)
    others = (task for task in forgetting.writers(connection) if task.ended)
    holding = [task for task in others if traces.may_hold(settings, task, user_id)]
    traces.remove_unfinished(settings)
    return sum(traces.remove_files(settings, task) for task in (*theirs, *holding))


def _clear_row(connection: Connection, task: Task, user_id: int) -> None:
    if values := traces.changed_columns(task, user_id):
        forgetting.rewrite(connection, task, values)
    filename = task.params.get("filename")
    if filename and task.owner == user_id:
        for event in task_events.events(connection, task.seq):
            data = traces.replaced(event.data, filename, traces.FORGOTTEN)
            if data != event.data:
                task_events.rewrite(connection, event, data)


def _note(connection: Connection, user_id: int, asker: Asker, now: float) -> None:
    """The fact, without the person; one who forgets themselves leaves no trace as the asker either."""
    by = Asker() if asker.user_id == user_id else asker
    audit.add(
        connection,
        forgetting.FORGET_USER,
        str(user_id),
        now=now,
        user_id=by.user_id,
        key=by.key,
        address=by.address,
        request_id=by.request_id,
    )


def _remains(connection: Connection) -> dict[str, Any]:
    """The models that saw them, one that is being built included, and what ends that."""
    versions = models.that_saw_forgotten(connection)
    is_building = not tasks.kinds_at_work(connection).isdisjoint(names(MODEL))
    ends = f"the next rebuild that begins now and is served: {REBUILD_AT}"
    return {"models": versions, "models_until": ends if versions or is_building else None}

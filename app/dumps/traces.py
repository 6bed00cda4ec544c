"""Dumps hold what every user is recommended: what becomes of them when a person is forgotten."""

from sqlalchemy.engine import Connection

from app.config import Settings
from app.dumps.kinds import DUMP_RECOMMENDATIONS, folder_of, key_of
from app.errors import Conflict
from app.repository import forgetting
from app.storage.store import Store, store_of
from app.task import COMPLETE


def refuse(connection: Connection, user_id: int) -> None:
    """Raises `Conflict` for a dump that is being written, or will be: it may have read the person already."""
    for task in forgetting.of_kind(connection, DUMP_RECOMMENDATIONS):
        if not task.ended:
            raise Conflict(
                f"Task {task.id} is {task.status} and may hold recommendations of user {user_id}. "
                f"Wait for its end, or POST /tasks/{task.id}/cancel; then ask again."
            )


def remove(connection: Connection, settings: Settings, user_id: int) -> int:
    """Remove the files that hold the person, and what dumps that were left in part have written.

    Returns how many dumps lost their file.
    """
    store, removed = store_of(settings), 0
    for task in forgetting.of_kind(connection, DUMP_RECOMMENDATIONS):
        key = key_of(task)
        if task.status != COMPLETE:
            forgetting.rewrite(connection, task, {"checkpoint": None})
        elif key is None or store.size(key) is None or not _holds(store, key, user_id):
            continue
        if any(True for _ in store.entries(folder_of(task.id))):
            store.delete_all(folder_of(task.id))
            removed += 1
    return removed


def _holds(store: Store, key: str, user_id: int) -> bool:
    """Whether a line begins with the user, as `lines` writes it."""
    starts = (f'{{"user_id":{user_id},'.encode(), f"{user_id},".encode())
    with store.open(key) as file:
        return any(line.startswith(starts) for line in file)

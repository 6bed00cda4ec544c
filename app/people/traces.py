"""What tasks keep of a person on disk and in their rows, and what is left when it is taken out."""

import csv
import io
import os
import shutil
from collections.abc import Iterable
from typing import Any

from app.config import Settings
from app.errors import AppError
from app.imports import readers
from app.imports.checkpoint import upload_key
from app.imports.kinds import IMPORT
from app.imports.rejects import folder_of
from app.repository.forgetting import without
from app.repository.import_order import IMPORT_RATINGS, MERGE_USERS
from app.storage.locks import try_lock
from app.storage.store import store_of
from app.task import Task

FORGOTTEN = "forgotten"
"""Stands for the name of a file that a person sent."""


def may_hold(settings: Settings, task: Task, user_id: int) -> bool:
    """Whether an import, merge or undo may hold ratings of the person."""
    if task.kind == MERGE_USERS:
        return user_id in (task.params["user_id"], task.params["from_id"])
    if task.kind != IMPORT_RATINGS or task.owner == user_id:
        return True
    params = IMPORT.params_of(task)
    if params.file is None or params.user_id == user_id:
        return True
    if params.personal is not None:
        return not params.personal
    path = store_of(settings).path(upload_key(params.file))
    try:
        return path is None or not readers.check(path, params.filename).personal
    except (AppError, OSError):
        return True


def remove_files(settings: Settings, task: Task) -> int:
    """Remove the upload of an ended task, and what its attempts have left; returns how many uploads."""
    shutil.rmtree(settings.data_dir / "work" / task.id, ignore_errors=True)
    store, file = store_of(settings), task.params.get("file")
    store.delete_all(f"work/{task.id}/")
    if not file or store.size(upload_key(file)) is None:
        return 0
    store.delete([upload_key(file)])
    return 1


def remove_rejects(settings: Settings, task: Task) -> None:
    store_of(settings).delete_all(folder_of(task.id))


def remove_unfinished(settings: Settings) -> None:
    """Remove uploads that were never received whole, but not those that are being received."""
    for path in settings.uploads_dir.glob("*.part"):
        if (lock := try_lock(path)) is not None:
            path.unlink(missing_ok=True)
            os.close(lock)


def clear_rejects(settings: Settings, task: Task, user_id: int) -> int:
    """Empty the values of rejected rows that name the person, in the file; returns how many.

    Line, column and reason stay.
    """
    store, most = store_of(settings), 0
    for entry in list(store.entries(folder_of(task.id))):
        content = store.read(entry.key)
        if str(user_id).encode() not in content:
            continue
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        shown = [dict(zip(header, row, strict=True)) for row in rows]
        cleared = _cleared(shown, user_id)
        if changed := sum(a != b for a, b in zip(shown, cleared, strict=True)):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([header, *(row.values() for row in cleared)])
            store.put(entry.key, text.getvalue().encode())
            most = max(most, changed)
    return most


def _cleared(rejects: Iterable[dict[str, Any]], user_id: int) -> list[dict[str, Any]]:
    """Rejects by the names of their header, without the values that name the person."""
    return [row | {"value": ""} if _names(row, user_id) else row for row in rejects]


def _names(reject: dict[str, Any], user_id: int) -> bool:
    column, value = reject["column"], reject["value"]
    return (not column or "user" in column.casefold()) and without(value, [str(user_id)]) != value


def changed_columns(task: Task, user_id: int) -> dict[str, Any]:
    """The columns of an ended task that say something of the person, as they are without."""
    values: dict[str, Any] = {}
    after = (task.checkpoint or {}).get("after")
    if isinstance(after, list) and after[:1] == [user_id]:
        values["checkpoint"] = (task.checkpoint or {}) | {"after": [-1, -1]}
    result = task.result
    if result and result.get("rejects"):
        cleared = _cleared(result["rejects"], user_id)
        if cleared != result["rejects"]:
            values["result"] = result | {"rejects": cleared}
    filename = task.params.get("filename")
    if filename and task.owner == user_id:
        values["params"] = task.params | {"filename": FORGOTTEN}
        for name in ("result", "error"):
            values[name] = replaced(values.get(name, getattr(task, name)), filename, FORGOTTEN)
    return values


def replaced(value: Any, old: str, new: str) -> Any:
    """JSON with `new` for `old` in every text where it stands alone."""
    if isinstance(value, str):
        return without(value, [old], new)
    if isinstance(value, list):
        return [replaced(item, old, new) for item in value]
    if isinstance(value, dict):
        return {name: replaced(item, old, new) for name, item in value.items()}
    return value

"""What tasks keep of a person on disk and in their rows, and what is left when it is taken out."""

import csv
import io
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.config import Settings
from app.errors import AppError
from app.imports import readers
from app.imports.checkpoint import upload_path
from app.imports.kinds import IMPORT
from app.imports.rejects import rejects_path
from app.repository.forgetting import without
from app.repository.import_order import IMPORT_RATINGS, MERGE_USERS
from app.storage.files import write_atomically
from app.storage.locks import try_lock
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
    try:
        return not readers.check(upload_path(settings, params.file), params.filename).personal
    except (AppError, OSError):
        return True


def remove_files(settings: Settings, task: Task) -> int:
    """Remove the upload of an ended task, and what its attempts have left; returns how many uploads."""
    shutil.rmtree(settings.data_dir / "work" / task.id, ignore_errors=True)
    file = task.params.get("file")
    upload = settings.uploads_dir / Path(file).name if file else None
    if upload is None or not upload.is_file():
        return 0
    upload.unlink()
    return 1


def remove_rejects(settings: Settings, task: Task) -> None:
    shutil.rmtree(rejects_path(settings.data_dir, task.id).parent, ignore_errors=True)


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
    path = rejects_path(settings.data_dir, task.id)
    if not path.is_file() or str(user_id).encode() not in path.read_bytes():
        return 0
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    shown = [dict(zip(header, row, strict=True)) for row in rows]
    cleared = _cleared(shown, user_id)
    if changed := sum(a != b for a, b in zip(shown, cleared, strict=True)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *(row.values() for row in cleared)])
        write_atomically(path, text.getvalue().encode())
    return changed


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

"""Taking an import back: what it added is deleted, what it replaced is put back, later writes are kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from app.errors import Conflict, NotFound
from app.imports.rejects import Reject
from app.imports.runs import matches
from app.repository import catalogue, imports, movies, tasks
from app.repository.count_changes import changes_of
from app.repository.imports import Key
from app.repository.ratings import note_changes
from app.tasks.task import COMPLETE, ENDED, IMPORT_RATINGS, UNDO_IMPORT, Task

CATALOGUE_ROWS = 500
_ALL = 100_000


@dataclass
class UndoFigures:
    """How many ratings, movies and links were deleted and put back, and how many are kept as they are now."""

    deleted: int = 0
    restored: int = 0
    kept: int = 0


def check(connection: Connection, task_id: str) -> Task:
    """The import that is to be undone. Raises `NotFound`, or `Conflict` with the reason why it cannot be."""
    task = tasks.get(connection, task_id)
    if task is None or task.kind != IMPORT_RATINGS:
        raise NotFound(
            f"There is no import {task_id}. Imports, and what their undo needs, are kept for some time after "
            f"their end (MATINEE_KEEP_TASKS). GET /tasks?kind={IMPORT_RATINGS} lists them."
        )
    if task.status not in ENDED:
        raise Conflict(f"Import {task_id} is {task.status}. Cancel it or wait for its end, then undo it.")
    if not wrote(task):
        raise Conflict(f"Import {task_id} has changed nothing. There is nothing to undo.")
    if task.undo_refused:
        raise Conflict(f"Import {task_id} cannot be undone. {task.undo_refused}")
    undone = {
        other.params["undo_of"]
        for other in tasks.listing(connection, limit=_ALL, kind=UNDO_IMPORT, status=COMPLETE)
    }
    if task_id in undone:
        raise Conflict(f"Import {task_id} is undone already.")
    for other in tasks.listing(connection, limit=_ALL, kind=IMPORT_RATINGS):
        stands = other.status not in ENDED or (wrote(other) and not other.undo_refused)
        if other.seq > task.seq and other.id not in undone and stands:
            raise Conflict(
                f"Import {other.id} is newer. Imports are undone newest first: undo that one before."
            )
    return task


def wrote(task: Task) -> bool:
    """Whether an import has changed anything, as far as it came."""
    figures = (task.cursor or {}).get("figures", {})
    return not task.params.get("dry_run") and bool(figures.get("new", 0) + figures.get("replaced", 0))


def undo_ratings(connection: Connection, keys: list[Key], import_seq: int, figures: UndoFigures) -> None:
    """Undo the ratings of sorted `keys` that are still as the import wrote them."""
    imports.keep_writers_out(connection)
    there = imports.rated(connection, *np.array(keys, np.int64).T)
    written = there.take(there.import_seq == import_seq)
    images = imports.take_before_images(connection, import_seq, keys[0], keys[-1])
    found, places = matches(images, written)
    back, gone = images.take(found), written.take(np.delete(np.arange(len(written.user_id)), places))
    imports.put_ratings(connection, back)
    imports.delete_ratings(connection, gone.user_id, gone.movie_id)
    imports.change_counts(connection, changes_of([back], [written]))
    note_changes(connection, len(written.user_id))
    figures.deleted += len(gone.user_id)
    figures.restored += len(back.user_id)


def undo_catalogue(
    connection: Connection, noun: str, images: dict[int, dict[str, Any] | None], figures: UndoFigures
) -> list[Reject]:
    """Undo movies or links, given what they were; answers those that are kept as they are now."""
    there = catalogue.existing(connection, noun, list(images))
    kept: list[Reject] = []
    back: dict[int, dict[str, Any]] = {}
    gone: list[int] = []
    for key, image in images.items():
        if key not in there:
            continue
        if there[key].get("source") == catalogue.MADE_HERE:
            kept.append(Reject(None, "id", str(key), "the movie was changed here since"))
        elif image is not None:
            back[key] = image
        elif noun == catalogue.LINK:
            catalogue.delete_link(connection, key)
            figures.deleted += 1
        elif movies.get(connection, key, lock=True).rating_count:
            kept.append(Reject(None, "id", str(key), "the movie was rated since"))
        else:
            gone.append(key)
    catalogue.put(connection, noun, back)
    movies.remove(connection, gone)
    movies.note_change(connection)
    figures.deleted += len(gone)
    figures.restored += len(back)
    figures.kept += len(kept)
    return kept


def later_writes(connection: Connection, import_seq: int) -> Iterator[Reject]:
    """The ratings of an import that were changed or deleted since, streamed."""
    for user_id, movie_id in imports.later_writes_of(connection, import_seq):
        yield Reject(None, "user_id,movie_id", f"{user_id},{movie_id}", "was changed or deleted since")

"""Taking an import back: what it added is deleted, what it replaced is put back, later writes are kept."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from app.errors import Conflict, NotFound
from app.imports.checkpoint import UndoFigures
from app.imports.kinds import has_begun, noun
from app.imports.rejects import Reject
from app.rating import matches
from app.repository import (
    catalogue,
    first_raters,
    import_order,
    imports,
    marks,
    moves,
    movies,
    personal_images,
    tasks,
)
from app.repository.count_changes import changes_of
from app.repository.import_order import IMPORT_RATINGS, WRITERS
from app.repository.imports import Key
from app.repository.moves import Source
from app.repository.ratings import note_changes
from app.storage import database_of
from app.task import CANCELLING, COMPLETE, Task


def check(connection: Connection, import_id: str, *, undo: Task | None = None) -> Task:
    """The import or merge that is to be undone, by the task `undo` where there is one already.

    Raises `NotFound`, or `Conflict` with the reason why it cannot be.
    """
    task = tasks.get(connection, import_id)
    if task is None or task.kind not in WRITERS:
        raise NotFound(
            f"There is no import {import_id}. Imports, merges and what their undo needs are kept for some "
            f"time after their end (MATINEE_KEEP_TASKS). GET /tasks?kind={IMPORT_RATINGS} lists them."
        )
    what = noun(task)
    if not task.ended:
        raise Conflict(f"{what} {import_id} is {task.status}. Cancel it or wait for its end, then undo it.")
    if not has_begun(task):
        raise Conflict(f"{what} {import_id} has changed nothing. There is nothing to undo.")
    if task.undo_refused:
        raise Conflict(f"{what} {import_id} cannot be undone. {task.undo_refused}")
    _check_others(connection, task, undo)
    return task


def _check_others(connection: Connection, task: Task, undo: Task | None) -> None:
    """Raises `Conflict` if another import or undo is in the way."""
    for other in import_order.undos_of(connection, task.id):
        if other.status == COMPLETE:
            raise Conflict(f"{noun(task)} {task.id} is undone already.")
        if undo and other.seq > undo.seq and (has_begun(other) or not other.ended):
            raise Conflict(f"Undo {other.id} has taken this one's place. See that one.")
    for other in import_order.active(connection):
        if other.kind in WRITERS and (undo is None or has_begun(other) or other.seq < undo.seq):
            what = noun(other)
            raise Conflict(f"{what} {other.id} is {other.status}. Cancel it or wait for its end, then undo.")
    if newer := import_order.newest_after(connection, task, undoable=True):
        raise Conflict(
            f"{noun(newer)} {newer.id} is newer. Imports and merges are undone newest first: "
            "undo that one before."
        )


def join(connection: Connection, import_id: str) -> Task | None:
    """The undo of an import that is queued or running already, if any.

    Raises as `check` does if there is none and none can be.
    """
    tasks.hold(connection)
    for undo in import_order.undos_of(connection, import_id):
        if undo.status == CANCELLING:
            raise Conflict(f"Undo {undo.id} of task {import_id} is being cancelled. Ask again in a second.")
        if not undo.ended:
            return undo
    check(connection, import_id)
    return None


def undo_ratings(
    connection: Connection, keys: list[Key], import_seq: int, figures: UndoFigures, *, moved: bool = False
) -> None:
    """Undo the ratings of sorted `keys` that are still as the import wrote them. `moved`: some of them are
    those of others, that a merge took.
    """
    user_id, movie_id = np.array(keys, np.int64).T
    database_of(connection).lock_ratings(connection, user_id)
    there = imports.rated(connection, user_id, movie_id)
    written = there.take(there.import_seqs() == import_seq)
    images = imports.take_before_images(connection, import_seq, keys[0], keys[-1])
    found, places = matches(images, written)
    back, gone = images.take(found), written.take(np.delete(np.arange(len(written)), places))
    database_of(connection).put_ratings(connection, back)
    database_of(connection).delete_ratings(connection, gone.user_id, gone.movie_id)
    imports.change_counts(connection, changes_of([back], [written]))
    note_changes(connection, len(written))
    if moved:
        first_raters.remove(connection, gone)
    figures.deleted += len(gone)
    figures.restored += len(back)


def restore_moved(
    connection: Connection, import_seq: int, source: Source, rows: int, figures: UndoFigures
) -> int:
    """Give a user or movie back up to `rows` ratings that a merge took, where there is no later one.

    Returns how many before-images that took.
    """
    database_of(connection).lock_ratings(connection)
    images = moves.take_images(connection, import_seq, source, rows)
    if not len(images):
        return 0
    known = movies.exist(connection, images.movie_id)
    there = imports.rated(connection, images.user_id, images.movie_id)
    known[matches(images, there)[0]] = False
    back = images.take(known)
    database_of(connection).put_ratings(connection, back, is_new=np.ones(len(back), np.bool_))
    imports.change_counts(connection, changes_of([back], []))
    note_changes(connection, len(back))
    first_raters.bring_back(connection, source, back)
    figures.restored += len(back)
    figures.kept += len(images) - len(back)
    return len(images)


def undo_personal(
    connection: Connection, import_seq: int, rows: int, figures: UndoFigures
) -> tuple[int, list[Reject]]:
    """Undo up to `rows` marks and waiting rows; returns how many, and those that are kept as they are now."""
    images = personal_images.take(connection, import_seq, rows)
    deleted, restored, kept = personal_images.restore(connection, import_seq, images)
    figures.deleted += deleted
    figures.restored += restored
    figures.kept += len(kept)
    return len(images), [
        Reject(None, f"user_id,{image.noun}", f"{image.user_id},{image.key}", "was changed or deleted since")
        for image in kept
    ]


def undo_catalogue(
    connection: Connection, noun: str, images: dict[int, dict[str, Any] | None], figures: UndoFigures
) -> list[Reject]:
    """Undo movies or links, given what they were; returns those that are kept as they are now."""
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
        elif marks.marked(connection, key):
            kept.append(Reject(None, "id", str(key), "the movie was marked since"))
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

"""Undo an import, range by range: what it wrote and nobody has changed since goes back to what was there."""

import shutil
from dataclasses import asdict
from typing import Any

from app.errors import Conflict
from app.imports import undo
from app.imports.counts import settle
from app.imports.kinds import UNDO, missing_files
from app.imports.rejects import RejectFile, rejects_path
from app.imports.undo import CATALOGUE_ROWS, UndoFigures
from app.repository import catalogue, imports
from app.tasks.attempt import Attempt

SHOWN_KEPT = 20
ROWS = 2000
"""Ratings of one transaction: some ten milliseconds, which others wait for at most."""


def run(attempt: Attempt) -> None:
    """Do the whole undo, or what an earlier attempt has left of it. Raises `Conflict`, `NotFound`."""
    settle(attempt.database, attempt.transaction)
    with attempt.database.read() as connection:
        task = undo.check(connection, UNDO.params_of(attempt.task).undo_of, undo=attempt.task)
    if lacking := missing_files(attempt.settings, attempt.task):
        raise Conflict(lacking)
    _Undo(attempt, task.seq).run()


def reject_file(attempt: Attempt, cursor: list[Any] | None) -> RejectFile:
    """The file of rejects of an import, or of what an undo has kept."""
    published = rejects_path(attempt.settings.data_dir, attempt.task.id)
    return RejectFile(attempt.directory, attempt.task.attempt, published, cursor)


class _Undo:
    """The ratings first, then movies and links: by then those of the import have none of its ratings left."""

    def __init__(self, attempt: Attempt, import_seq: int) -> None:
        self._attempt, self._seq = attempt, import_seq
        self._cursor: dict[str, Any] = attempt.task.checkpoint or {
            "after": [-1, -1],
            "figures": {},
            "done": 0,
        }
        self._figures = UndoFigures(**self._cursor["figures"])
        self._rejects = reject_file(attempt, self._cursor.get("rejects"))

    def run(self) -> None:
        self._attempt.report(phase="undo", unit="rows", total=None)
        while keys := self._next_keys():
            with self._attempt.transaction(checkpoint=self._cursor, done=self._cursor["done"]) as connection:
                undo.undo_ratings(connection, keys, self._seq, self._figures)
                self._advance(len(keys), list(keys[-1]))
        settle(self._attempt.database, self._attempt.transaction)
        while self._catalogue():
            pass
        self._finish()

    def _next_keys(self) -> list[tuple[int, int]]:
        """Looked for outside the transaction that writes: there may be many others' rows between."""
        user_id, movie_id = self._cursor["after"]
        with self._attempt.database.read() as connection:
            rows = min(ROWS, self._attempt.settings.import_chunk)
            return imports.written_by(connection, self._seq, (user_id, movie_id), rows)

    def _catalogue(self) -> bool:
        with self._attempt.transaction(checkpoint=self._cursor, done=self._cursor["done"]) as connection:
            taken = catalogue.take_images(connection, self._seq, CATALOGUE_ROWS)
            if taken is not None:
                noun, images = taken
                self._rejects.add(undo.undo_catalogue(connection, noun, images, self._figures))
                self._advance(len(images), self._cursor["after"])
        return taken is not None

    def _advance(self, rows: int, after: list[int]) -> None:
        self._cursor |= {
            "after": after,
            "done": self._cursor["done"] + rows,
            "figures": asdict(self._figures),
            "rejects": self._rejects.cursor,
        }

    def _finish(self) -> None:
        with self._attempt.database.read() as connection:
            self._figures.kept += self._rejects.add(undo.later_writes(connection, self._seq))
        shown = self._rejects.publish(SHOWN_KEPT)
        shutil.rmtree(self._attempt.directory, ignore_errors=True)
        result = asdict(UNDO.params_of(self._attempt.task)) | asdict(self._figures)
        with self._attempt.transaction(result=result | {"rejects": shown}) as connection:
            imports.forget(connection, self._seq)

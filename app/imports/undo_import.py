"""Undo an import, range by range: what it wrote and nothing has changed since goes back to what was there."""

from dataclasses import asdict

from app.errors import Conflict
from app.imports import undo
from app.imports.checkpoint import UndoCheckpoint, saving
from app.imports.counts import settle
from app.imports.kinds import UNDO, missing_files
from app.imports.merges import source_of
from app.imports.sizes import DEFAULT, Sizes
from app.imports.workspace import Workspace
from app.repository import catalogue, imports, movie_merges
from app.task import Task
from app.tasks.attempt import Attempt

SHOWN_KEPT = 20


def run(attempt: Attempt, sizes: Sizes = DEFAULT) -> None:
    """Do the whole undo, or what an earlier attempt has left of it. Raises `Conflict`, `NotFound`."""
    settle(attempt.database, attempt.transaction)
    with attempt.database.read() as connection:
        task = undo.check(connection, UNDO.params_of(attempt.task).undo_of, undo=attempt.task)
    if lacking := missing_files(attempt.settings, attempt.task):
        raise Conflict(lacking)
    _Undo(attempt, task, sizes).run()


class _Undo:
    """The ratings first, then marks and waiting rows, then movies and links: by then those of the import have
    nothing of it left.
    """

    def __init__(self, attempt: Attempt, undone: Task, sizes: Sizes) -> None:
        self._attempt, self._seq, self._sizes = attempt, undone.seq, sizes
        self._source = source_of(undone)  # of a merge
        before = attempt.task.checkpoint
        self._checkpoint = UndoCheckpoint.from_json(before) if before else UndoCheckpoint()
        self._figures = self._checkpoint.figures
        self._workspace = Workspace(attempt.settings, attempt.task, sizes)
        self._rejects = self._workspace.rejects(self._checkpoint.rejects)

    def run(self) -> None:
        self._attempt.report(phase="undo", unit="rows", total=None)
        self._restore_movie()
        while self._moved():  # before the others: these may lie between their keys
            pass
        while keys := self._next_keys():
            with saving(self._attempt, self._checkpoint, done=self._checkpoint.done) as connection:
                is_merge = self._source is not None
                undo.undo_ratings(connection, keys, self._seq, self._figures, moved=is_merge)
                self._advance(len(keys))
                self._checkpoint.after = list(keys[-1])
        settle(self._attempt.database, self._attempt.transaction)
        while self._personal():
            pass
        while self._catalogue():
            pass
        self._finish()

    def _next_keys(self) -> list[imports.Key]:
        """Read outside the transaction that writes: there may be many rows of others between."""
        user_id, movie_id = self._checkpoint.after
        with self._attempt.database.read() as connection:
            rows = min(self._sizes.undo_rows, self._attempt.rows_at_once)
            return imports.written_by(connection, self._seq, (user_id, movie_id), rows)

    def _restore_movie(self) -> None:
        if self._source is None:
            return
        while self._source.value is None and self._taken():
            pass
        if self._source.value is None:
            return
        with saving(self._attempt, self._checkpoint, done=self._checkpoint.done) as connection:
            restored = movie_merges.restore(connection, self._seq)
            self._figures.restored += restored
            self._advance(restored)

    def _taken(self) -> bool:
        """Bring movies back that the import has taken over."""
        with saving(self._attempt, self._checkpoint, done=self._checkpoint.done) as connection:
            restored = movie_merges.restore_taken(connection, self._seq, self._sizes.catalogue_rows)
            self._figures.restored += restored
            self._advance(restored)
        return restored > 0

    def _moved(self) -> bool:
        if self._source is None:
            return False
        rows = min(self._sizes.undo_rows, self._attempt.rows_at_once)
        with saving(self._attempt, self._checkpoint, done=self._checkpoint.done) as connection:
            taken = undo.restore_moved(connection, self._seq, self._source, rows, self._figures)
            if not taken and self._source.value is None:
                movie_merges.forget_taken(connection, self._seq)
            self._advance(taken)
        return taken > 0

    def _personal(self) -> bool:
        rows = min(self._sizes.catalogue_rows, self._attempt.rows_at_once)
        with saving(self._attempt, self._checkpoint, done=self._checkpoint.done) as connection:
            taken, kept = undo.undo_personal(connection, self._seq, rows, self._figures)
            self._rejects.add(kept)
            self._advance(taken)
        return taken > 0

    def _catalogue(self) -> bool:
        with saving(self._attempt, self._checkpoint, done=self._checkpoint.done) as connection:
            taken = catalogue.take_images(connection, self._seq, self._sizes.catalogue_rows)
            if taken is not None:
                noun, images = taken
                self._rejects.add(undo.undo_catalogue(connection, noun, images, self._figures))
                self._advance(len(images))
        return taken is not None

    def _advance(self, rows: int) -> None:
        self._checkpoint.done += rows
        self._checkpoint.rejects = self._rejects.save()

    def _finish(self) -> None:
        with self._attempt.database.read() as connection:
            self._figures.kept += self._rejects.add(undo.later_writes(connection, self._seq))
        shown = self._rejects.publish(SHOWN_KEPT)
        self._workspace.clear()
        result = asdict(UNDO.params_of(self._attempt.task)) | asdict(self._figures)
        with self._attempt.transaction(result=result | {"rejects": shown}) as connection:
            imports.forget(connection, self._seq)

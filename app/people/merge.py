"""Merge two people's ratings, range by range: those of one become the other's, of two the newer one stays.

A range is written like one of an import: under the number of the task, with before-images of all that it
replaces and deletes, in the transaction of its checkpoint. So a kill loses and doubles nothing, and the undo
of an import undoes a merge too. Marks, rows that wait and what was chosen for titles follow in the last
transaction; an undo leaves them where they are then.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from app.imports.counts import settle
from app.imports.kinds import has_begun
from app.imports.sizes import DEFAULT, Sizes
from app.people.kinds import MERGE
from app.rating import RatingColumns, matches
from app.repository import aliases, import_order, imports, marks, ratings, waiting
from app.repository.count_changes import changes_of
from app.storage import database_of
from app.tasks.attempt import Attempt


@dataclass
class Figures:
    """Of what was moved: `new` to the person, `replaced` an older one of theirs, `deleted` as older.

    The names are those that an import has, so that its undo and its order know what a merge has changed.
    """

    new: int = 0
    replaced: int = 0
    deleted: int = 0


@dataclass
class Checkpoint:
    """The ratings of movies up to `after` are merged. `order`: see `import_order`."""

    figures: Figures = field(default_factory=Figures)
    after: int = -1
    order: int = 0

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Checkpoint":
        return cls(**data | {"figures": Figures(**data["figures"])})

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"figures": dict(vars(self.figures))}


def run(attempt: Attempt, sizes: Sizes = DEFAULT) -> None:
    """Do the whole merge, or what an earlier attempt has left of it. Raises `Conflict`."""
    settle(attempt.database, attempt.transaction)
    if has_begun(attempt.task):
        with attempt.database.read() as connection:
            MERGE.check(connection, attempt.task)
    _Merge(attempt, sizes).run()


class _Merge:
    def __init__(self, attempt: Attempt, sizes: Sizes) -> None:
        self._attempt = attempt
        self._params = MERGE.params_of(attempt.task)
        self._rows = min(sizes.undo_rows, attempt.settings.import_chunk)
        before = attempt.task.checkpoint
        self._checkpoint = Checkpoint.from_json(before) if before else Checkpoint()

    def run(self) -> None:
        self._attempt.report(phase="merge", unit="rows", total=None)
        while self._range():
            pass
        settle(self._attempt.database, self._attempt.transaction)
        with self._attempt.database.read() as connection:
            left = ratings.count_of(connection, self._params.from_id)
        figures = self._checkpoint.figures
        result = {"user_id": self._params.user_id, "from": self._params.from_id, "moved": figures.new}
        result |= {"replaced": figures.replaced, "older": figures.deleted, "left": left}
        with self._attempt.transaction(result=result) as connection:
            for rest in (marks, waiting, aliases):
                rest.move(connection, self._params.from_id, self._params.user_id)

    def _range(self) -> bool:
        """Merge the next ratings in one transaction; returns whether there were any."""
        saved: dict[str, Any] = {}
        figures = self._checkpoint.figures
        with self._attempt.transaction(checkpoint=saved) as connection:
            database_of(connection).lock_ratings(connection)
            moving = imports.of_user(connection, self._params.from_id, self._checkpoint.after, self._rows)
            if len(moving):
                if not has_begun(self._attempt.task) and not self._checkpoint.order:
                    self._checkpoint.order = import_order.next_order(connection)
                self._write(connection, moving)
                self._checkpoint.after = int(moving.movie_id[-1])
                self._attempt.note(done=figures.new + figures.replaced + figures.deleted)
            saved.update(self._checkpoint.to_json())
        return bool(len(moving))

    def _write(self, connection: Connection, moving: RatingColumns) -> None:
        """Write ratings sorted by movie under the other id, unless a newer one is there."""
        database, seq = database_of(connection), self._attempt.task.seq
        user_id = np.full(len(moving), self._params.user_id)
        stored = imports.rated(connection, user_id, moving.movie_id)
        moved = replace(moving, user_id=user_id, import_seq=seq)
        found, places = matches(stored, moved)
        newer = moved.rated_at[places] > stored.rated_at[found]
        wins = np.ones(len(moved), np.bool_)
        wins[places[~newer]] = False
        written, replaced = moved.take(wins), stored.take(found[newer])
        database.put_before_images(connection, moving, seq)
        database.put_before_images(connection, replaced, seq)
        imports.delete_ratings(connection, moving.user_id, moving.movie_id)
        database.put_ratings(connection, written)
        imports.change_counts(connection, changes_of([written], [moving, replaced]))
        ratings.note_changes(connection, len(moving))
        ratings.change_first_rater(
            connection, self._params.from_id, self._params.user_id, moving.movie_id.tolist()
        )
        figures = self._checkpoint.figures
        figures.new += len(moved) - len(found)
        figures.replaced += len(replaced)
        figures.deleted += len(found) - len(replaced)

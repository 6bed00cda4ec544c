"""Moving ratings to another key, range by range: of two that meet there the newer one stays.

A range is written like one of an import: under the number of the task, with before-images of all that it
replaces and deletes, in the transaction of its checkpoint. So a kill loses and doubles nothing, and the undo
of an import undoes a merge too.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from app.imports.counts import settle
from app.imports.kinds import has_begun
from app.imports.sizes import Sizes
from app.rating import RatingColumns
from app.repository import import_order, imports, moves
from app.repository.count_changes import changes_of
from app.storage import database_of
from app.tasks.attempt import Attempt


@dataclass
class Figures:
    """Of what was moved: `new` where it is now, `replaced` an older one there, `deleted` as older.

    The names are those that an import has, so that its undo and its order know what a merge has changed.
    `movies`: how many movies are merged. `personal`: marks, waiting rows, choices and plays that were moved.
    """

    new: int = 0
    replaced: int = 0
    deleted: int = 0
    movies: int = 0
    personal: int = 0

    @property
    def done(self) -> int:
        return self.new + self.replaced + self.deleted


@dataclass
class Checkpoint:
    """The ratings up to `after` are moved. `order`: see `import_order`."""

    figures: Figures = field(default_factory=Figures)
    after: Any = -1
    order: int = 0

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Checkpoint":
        return cls(**data | {"figures": Figures(**data["figures"])})

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"figures": dict(vars(self.figures))}


class Move(ABC):
    """One attempt at a merge, from where an earlier one has left it."""

    def __init__(self, attempt: Attempt, sizes: Sizes) -> None:
        self.attempt = attempt
        self.rows = min(sizes.undo_rows, attempt.rows_at_once)
        before = attempt.task.checkpoint
        self.checkpoint = Checkpoint.from_json(before) if before else Checkpoint()

    def run(self) -> None:
        """Raises `Conflict` if it cannot go on, and what the steps raise."""
        settle(self.attempt.database, self.attempt.transaction)
        if has_begun(self.attempt.task):
            with self.attempt.database.read() as connection:
                self.attempt.kind.check(connection, self.attempt.task)
        self.attempt.report(phase="merge", unit="rows", total=None)
        self.start()
        while self._range():
            pass
        settle(self.attempt.database, self.attempt.transaction)

    def start(self) -> None:  # noqa: B027
        """What comes before the first range, unless an earlier attempt has done it: mostly nothing."""

    def look(self) -> list[int]:
        """What is read before the transaction of a range, since it takes long: none, or where to look."""
        return []

    @abstractmethod
    def read(self, connection: Connection, ahead: list[int]) -> RatingColumns:
        """The next ratings that are to be moved, by user and movie. `ahead`: what `look` has found."""

    @abstractmethod
    def moved(self, some: RatingColumns) -> RatingColumns:
        """They under their new keys."""

    @abstractmethod
    def note(self, connection: Connection, some: RatingColumns) -> None:
        """Note that they are moved: how far it is, and who is a first rater now."""

    def begin(self, connection: Connection) -> None:
        """To be called before the first change."""
        if not has_begun(self.attempt.task) and not self.checkpoint.order:
            self.checkpoint.order = import_order.next_order(connection)

    def _range(self) -> bool:
        """Move the next ratings in one transaction; returns whether there may be more."""
        saved: dict[str, Any] = {}
        ahead = self.look()
        with self.attempt.transaction(checkpoint=saved) as connection:
            database_of(connection).lock_ratings(connection)
            some = self.read(connection, ahead)
            if len(some):
                self.begin(connection)
                self._write(connection, some)
                self.note(connection, some)
                self.attempt.note(done=self.checkpoint.figures.done)
            saved.update(self.checkpoint.to_json())
        return bool(len(some) or ahead)

    def _write(self, connection: Connection, some: RatingColumns) -> None:
        """Write ratings under their new keys, unless a newer one is there."""
        written, replaced = moves.meet(connection, self.moved(some), self.attempt.task.seq, some)
        imports.change_counts(connection, changes_of([written], [some, replaced]))
        figures = self.checkpoint.figures
        figures.new += len(written) - len(replaced)
        figures.replaced += len(replaced)
        figures.deleted += len(some) - len(written)

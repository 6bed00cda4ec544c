"""Merge two people: what one has said becomes the other's (`app.imports.moves`)."""

from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from app.imports.moves import Move
from app.imports.sizes import DEFAULT, Sizes
from app.people.kinds import MERGE
from app.rating import RatingColumns
from app.repository import aliases, hooks, list_addresses, marks, moves, plays, ratings, waiting
from app.tasks.attempt import Attempt


def run(attempt: Attempt, sizes: Sizes = DEFAULT) -> None:
    """Do the whole merge, or what an earlier attempt has left of it. Raises `Conflict`."""
    params, merge = MERGE.params_of(attempt.task), _Merge(attempt, sizes)
    merge.run()
    while merge.move_rest():
        pass
    with attempt.database.read() as connection:
        left = ratings.count_of(connection, params.from_id)
    figures = merge.checkpoint.figures
    result = {"user_id": params.user_id, "from": params.from_id, "moved": figures.new}
    result |= {"replaced": figures.replaced, "older": figures.deleted, "left": left}
    with attempt.transaction(result=result) as connection:
        for addresses in (hooks, list_addresses):  # an undo leaves them where they are then
            addresses.move(connection, params.from_id, params.user_id)


class _Merge(Move):
    """By movie: `after` is the last one."""

    def __init__(self, attempt: Attempt, sizes: Sizes) -> None:
        super().__init__(attempt, sizes)
        self._params = MERGE.params_of(attempt.task)

    def move_rest(self) -> bool:
        """Move some of what is said beside ratings in one transaction; returns whether there may be more."""
        for rest in (marks, waiting, aliases, plays):
            saved: dict[str, Any] = {}
            with self.attempt.transaction(checkpoint=saved) as connection:
                there = (self._params.from_id, self._params.user_id, self.attempt.task.seq, self.rows)
                if moved := rest.move(connection, *there):
                    self.begin(connection)
                    self.checkpoint.figures.personal += moved
                saved.update(self.checkpoint.to_json())
            if moved:
                return True
        return False

    def read(self, connection: Connection, _ahead: list[int]) -> RatingColumns:
        return moves.of_user(connection, self._params.from_id, self.checkpoint.after, self.rows)

    def moved(self, some: RatingColumns) -> RatingColumns:
        user_id = np.full(len(some), self._params.user_id)
        return replace(some, user_id=user_id, import_seq=self.attempt.task.seq)

    def note(self, connection: Connection, some: RatingColumns) -> None:
        before, after = self._params.from_id, self._params.user_id
        ratings.change_first_raters(connection, "user_id", before, after, some.movie_id.tolist())
        self.checkpoint.after = int(some.movie_id[-1])

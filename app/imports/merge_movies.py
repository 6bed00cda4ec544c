"""Merge a movie that is there twice into the other one: ratings, ids elsewhere, and then its own id.

From the first transaction on, a rating of the one is one of the other (`app.repository.merged_movies`), so
that none is lost. `app.imports.undo` takes all of it back.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from app.errors import Conflict
from app.imports.merges import MERGED_MOVIES
from app.imports.moves import Move
from app.imports.sizes import DEFAULT, Sizes
from app.rating import RatingColumns
from app.repository import moves, movie_merges, ratings
from app.tasks.attempt import Attempt


def run(attempt: Attempt, sizes: Sizes = DEFAULT) -> None:
    """Do the whole merge, or what an earlier attempt has left of it. Raises `Conflict`, `NotFound`."""
    params, merge = MERGED_MOVIES.params_of(attempt.task), _Merge(attempt, sizes)
    merge.run()
    figures = merge.checkpoint.figures
    result = {"movie_id": params.movie_id, "from": params.from_movie_id, "moved": figures.new}
    result |= {"replaced": figures.replaced, "older": figures.deleted}
    with attempt.transaction(result=result) as connection:
        merge.require_begun(connection)
        movie_merges.finish(connection, params.from_movie_id, params.movie_id, attempt.task.seq)


class _Merge(Move):
    """By user: `after` is the last one, with the movie."""

    def __init__(self, attempt: Attempt, sizes: Sizes) -> None:
        super().__init__(attempt, sizes)
        params = MERGED_MOVIES.params_of(attempt.task)
        self._from, self._into = params.from_movie_id, params.movie_id

    def start(self) -> None:
        if self.checkpoint.figures.movies:
            return
        saved: dict[str, Any] = {}
        with self.attempt.transaction(checkpoint=saved) as connection:
            movie_merges.begin(connection, self._from, self._into, self.attempt.task.seq)
            self.begin(connection)
            self.checkpoint.figures.movies = 1
            self.checkpoint.after = [-1, self._from]
            saved.update(self.checkpoint.to_json())

    def look(self) -> list[int]:
        with self.attempt.database.read() as connection:
            return moves.raters(connection, self._from, self.checkpoint.after[0], self.rows)

    def read(self, connection: Connection, ahead: list[int]) -> RatingColumns:
        self.require_begun(connection)
        if ahead:
            self.checkpoint.after = [ahead[-1], self._from]
        return moves.of_movie(connection, self._from, ahead)

    def require_begun(self, connection: Connection) -> None:
        """Raises `Conflict` if the movie that is to have the ratings was deleted meanwhile."""
        if not movie_merges.is_under_way(connection, self.attempt.task.seq):
            raise Conflict(
                f"Movie {self._into} was deleted. POST /tasks/{self.attempt.task.id}/undo gives movie "
                f"{self._from} its ratings back."
            )

    def moved(self, some: RatingColumns) -> RatingColumns:
        return replace(some, movie_id=np.full(len(some), self._into), import_seq=self.attempt.task.seq)

    def note(self, connection: Connection, some: RatingColumns) -> None:
        users = some.user_id.tolist()
        ratings.change_first_raters(connection, "movie_id", self._from, self._into, users)

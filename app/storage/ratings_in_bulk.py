"""Ratings by the column: what engines do for imports, undos, merges and rebuilds, each in its own way."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from app.arrays import Integers, Mask
from app.rating import STEP, RatingColumns
from app.storage.bulk import execute_many
from app.storage.schema import SCORED, movies, ratings

MOST = int(np.iinfo(np.int64).max)


class RatingsOfUsers(NamedTuple):
    """`counts` [users]: how many ratings each of `user_id` has; `movie_id` and `half_steps` [ratings]."""

    user_id: Integers
    counts: Integers
    movie_id: Integers
    half_steps: NDArray[np.uint8]


class RatingsInBulk(ABC):
    """A part of `Database`: see there for what its engine is."""

    @abstractmethod
    def lock_ratings(self, connection: Connection, user_id: Integers | None = None) -> None:
        """Let no other transaction write ratings until this one ends: what it reads of them stays true.

        `user_id` [n]: those of these users alone, where the engine can tell writers apart.
        """

    @abstractmethod
    def join_ratings(self, connection: Connection, user_id: int | None = None) -> None:
        """Wait for the end of transactions that have `lock_ratings`, and let none begin until this one ends.

        For who writes a few ratings, of that user or of any: what it reads of them is what such a transaction
        has left. Who locks movies too does that before.
        """

    @abstractmethod
    def put_ratings(self, connection: Connection, columns: RatingColumns, is_new: Mask | None = None) -> None:
        """Write ratings over whatever is there; fastest if sorted by user and movie.

        `is_new` [n]: of which there are none, where `lock_ratings` has made that known.
        """

    @abstractmethod
    def delete_ratings(self, connection: Connection, user_id: Integers, movie_id: Integers) -> None:
        """Delete those of these pairs [n] that there are, without their counts."""

    @abstractmethod
    def put_before_images(self, connection: Connection, columns: RatingColumns, import_seq: int) -> None:
        """Note that these ratings are what an import replaces. None of them may be noted for it yet."""

    @abstractmethod
    def has_room(self, connection: Connection) -> bool:
        """Whether this transaction can put ratings and before-images once more, some two million each."""

    @staticmethod
    @abstractmethod
    def pairs() -> sa.FromClause:
        """A table of users and movies, of the parameters that `pairs_of` gives."""

    @staticmethod
    @abstractmethod
    def pairs_of(user_id: Integers, movie_id: Integers) -> dict[str, Any]:
        """The parameters for these [n], which are not one by one: a statement of many takes long to make."""

    def add_counts(self, connection: Connection, movie_id: Integers, scored: NDArray[np.int32]) -> int:
        """Add to the counts of movies, sorted by id: `scored` [n, 10] ratings of each score, from 0.5 on.

        Returns how many of the movies are there.
        """
        counted = zip(_COUNTED, counts_of(movie_id, scored), strict=True)
        return execute_many(connection, _ADD, {name: column.tolist() for name, column in counted})

    def ratings_of_users(
        self, connection: Connection, users: int, first: int = 0, last: int = MOST
    ) -> Iterator[RatingsOfUsers]:
        """Every rating of the users from `first` to `last`, by user and movie, `users` users at a time.

        One row a user, with a text of numbers: it takes a twentieth of the time of a row a rating. A number
        is the movie and, as its last digit, the score (half steps, less one); with ids for which 64 bits are
        too few, movie and score have a text each.
        """
        steps: Any = sa.cast(ratings.c.score / STEP, sa.Integer) - 1
        largest = connection.execute(sa.select(sa.func.max(movies.c.id))).scalar() or 0
        is_wide = largest > (MOST - 9) // 10
        listed: list[Any] = [ratings.c.movie_id, steps] if is_wide else [ratings.c.movie_id * 10 + steps]
        texts = [sa.func.aggregate_strings(column, ",") for column in listed]
        query = sa.select(ratings.c.user_id, sa.func.count(), *texts).group_by(ratings.c.user_id)
        query = query.where(ratings.c.user_id.between(first, last))
        result = connection.execution_options(yield_per=users).execute(query.order_by(ratings.c.user_id))
        for part in result.partitions():
            user_ids, counts, *found = zip(*part, strict=True)
            numbers = [np.fromstring(",".join(text), np.int64, sep=",") for text in found]
            movie_id, less = numbers if is_wide else np.divmod(numbers[0], 10)
            yield RatingsOfUsers(
                np.array(user_ids, np.int64),
                np.array(counts, np.int64),
                movie_id,
                less.astype(np.uint8) + np.uint8(1),
            )


def counts_of(movie_id: Integers, scored: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
    """The columns by which counts are added: movies, ratings of each, the sum of their scores, each score."""
    half_steps = scored.astype(np.int64) @ np.arange(1, scored.shape[1] + 1)
    return movie_id, scored.sum(1, dtype=np.int64), half_steps * STEP, *scored.T


_COUNTED = ("movie", "more", "score", *(column.name for column in SCORED.values()))
_ADD: Any = (
    movies.update()
    .where(movies.c.id == sa.bindparam("movie"))
    .values(
        rating_count=movies.c.rating_count + sa.bindparam("more"),
        rating_sum=movies.c.rating_sum + sa.bindparam("score"),
        **{column.name: column + sa.bindparam(column.name) for column in SCORED.values()},
    )
)

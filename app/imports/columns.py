"""Ratings in bulk: a column an array."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.arrays import Integers, Selection

UNTIMED = 0x80
"""Bit of `score`: the row came without a time, and `rated_at` is the start of the import."""


@dataclass(frozen=True, slots=True)
class Columns:
    """n ratings: `user_id`, `movie_id`, `rated_at` (epoch seconds) int64 [n], `score` uint8 [n].

    `score` counts half steps, 1 to 10, plus `UNTIMED`.
    """

    user_id: Integers
    movie_id: Integers
    rated_at: Integers
    score: npt.NDArray[np.uint8]

    @classmethod
    def joined(cls, parts: Iterable["Columns"]) -> "Columns":
        """The ratings of several, one behind the other."""
        parts = list(parts)
        return cls(
            np.concatenate([part.user_id for part in parts]),
            np.concatenate([part.movie_id for part in parts]),
            np.concatenate([part.rated_at for part in parts]),
            np.concatenate([part.score for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.user_id)

    def __getitem__(self, rows: Selection) -> "Columns":
        return Columns(self.user_id[rows], self.movie_id[rows], self.rated_at[rows], self.score[rows])

    def half_steps(self) -> npt.NDArray[np.uint8]:
        """The scores in half steps, 1 to 10."""
        return self.score & np.uint8(~UNTIMED & 0xFF)

    def untimed(self) -> npt.NDArray[np.bool_]:
        """Which came without a time."""
        return self.score >= UNTIMED

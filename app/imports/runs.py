"""Sorted runs, and their merge (Knuth, TAOCP 3, section 5.4: external sorting).

A run holds ratings sorted by user and movie, each pair once. Runs are in the order of the file, so that
of two equally late ratings of a pair the one in the later run is the later line. As long as they are few
they stay in memory: writing them would keep the disk busy while other writers wait for their commit.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.arrays import Integers
from app.imports.sizes import Sizes
from app.rating import RatingColumns, newest

WINDOW_ROWS = 16_384
"""Rows of a run that the merge reads at once."""
BATCH_ROWS = 131_072
THREADS = 2
_UNTIMED = 0x80
"""Bit beside the half steps in a file: the row came without a time."""


@dataclass(frozen=True, slots=True)
class FileRun:
    """A file with the columns one after the other, 25 bytes a row. `timed`: whether all rows have a time."""

    path: Path
    rows: int
    timed: bool

    @classmethod
    def write(cls, path: Path, ratings: RatingColumns) -> "FileRun":
        timed = ratings.timed is True
        steps = ratings.half_steps if timed else ratings.half_steps | np.where(ratings.timed, 0, _UNTIMED)
        with path.open("wb") as file:
            for column in (
                ratings.user_id,
                ratings.movie_id,
                ratings.rated_at,
                steps.astype(np.uint8, copy=False),
            ):
                column.tofile(file)
        return cls(path, len(ratings), timed)

    def __len__(self) -> int:
        return self.rows

    def take(self, rows: slice) -> RatingColumns:
        start, stop, _ = rows.indices(self.rows)
        user_id, movie_id, rated_at = (self._integers(column, start, stop) for column in range(3))
        steps = np.fromfile(self.path, np.uint8, stop - start, offset=8 * 3 * self.rows + start)
        if self.timed:
            return RatingColumns(user_id, movie_id, steps, rated_at)
        half_steps = steps & np.uint8(_UNTIMED - 1)
        return RatingColumns(user_id, movie_id, half_steps, rated_at, timed=steps < _UNTIMED)

    def _integers(self, column: int, start: int, stop: int) -> Integers:
        return np.fromfile(self.path, np.int64, stop - start, offset=8 * (column * self.rows + start))

    @property
    def user_id(self) -> Integers:
        return self._integers(0, 0, self.rows)


Run = RatingColumns | FileRun
"""Sorted ratings, in memory or in a file."""


class RunWriter:
    """Collects ratings and makes runs of about `sizes.run_rows` of them.

    They are sorted beside the caller; `runs` and `duplicates` are whole when the context ends. Of more than
    `in_memory` rows, all go to files in `directory`, and `written` is called after each.
    """

    def __init__(
        self, directory: Path, in_memory: int, sizes: Sizes, written: Callable[[], object] = lambda: None
    ) -> None:
        self.runs: list[Run] = []
        self.duplicates = 0
        self._directory, self._in_memory, self._tell = directory, in_memory, written
        self._run_rows = sizes.run_rows
        self._buffer: list[RatingColumns] = []
        self._threads = ThreadPoolExecutor(THREADS)
        self._sorting: deque[Future[tuple[Run, int]]] = deque()

    @property
    def rows(self) -> int:
        """How many are in its runs so far."""
        return sum(map(len, self.runs))

    def add(self, ratings: RatingColumns) -> None:
        self._buffer.append(ratings)
        if sum(map(len, self._buffer)) >= self._run_rows:
            self._flush()

    def _flush(self) -> None:
        parts, self._buffer = self._buffer, []
        self._await(THREADS)
        if any(map(len, parts)):
            number = len(self.runs) + len(self._sorting)
            self._sorting.append(self._threads.submit(self._sorted_run, number, parts, self._is_large))

    @property
    def _is_large(self) -> bool:
        return self.rows > self._in_memory

    def _sorted_run(self, number: int, parts: list[RatingColumns], to_file: bool) -> tuple[Run, int]:
        """A run, and how many of its rows others stand for, too."""
        ratings, others = newest(RatingColumns.joined(parts))
        return self._written(number, ratings) if to_file else ratings, int(others.sum())

    def _written(self, number: int, run: Run) -> Run:
        """The run in a file."""
        path = self._directory / f"{number}.run"
        return FileRun.write(path, run) if isinstance(run, RatingColumns) else run

    def _await(self, most: int) -> None:
        """Until at most so many runs are being made."""
        while len(self._sorting) > most:
            run, duplicates = self._sorting.popleft().result()
            self.runs.append(run)
            self.duplicates += duplicates
        if self._is_large:
            for number, run in enumerate(self._threads.map(self._written, range(len(self.runs)), self.runs)):
                self.runs[number] = run
                self._tell()

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        with self._threads:
            if error is None:
                self._flush()
                self._await(0)


class _Front:
    """One run, read from the front: `window` has its next rows."""

    def __init__(self, run: Run, after_user: int, window: int) -> None:
        self._run, self._size = run, window
        self._next = int(np.searchsorted(run.user_id, after_user)) if after_user > 0 else 0
        self.window = run.take(slice(0, 0))
        self.fill()

    @property
    def ended(self) -> bool:
        """Whether the window has the last row of the run."""
        return self._next >= len(self._run)

    def fill(self) -> None:
        """Top the window up until it holds more than one user, or the end of the run."""
        while not self.ended and (
            len(self.window) < self._size // 2 or self.window.user_id[0] == self.window.user_id[-1]
        ):
            more = self._run.take(slice(self._next, self._next + self._size))
            self._next += len(more)
            self.window = RatingColumns.joined((self.window, more))

    def pop(self, below: int | None) -> RatingColumns:
        """Remove the rows of users below `below` from the window and return them; all of them for None."""
        size = len(self.window)
        end = size if below is None else int(np.searchsorted(self.window.user_id, below))
        popped, self.window = self.window.take(slice(end)), self.window.take(slice(end, None))
        self.fill()
        return popped


def merge(
    runs: Sequence[Run], after: tuple[int, int] = (-1, -1), window: int = WINDOW_ROWS
) -> Iterator[tuple[RatingColumns, Integers]]:
    """All ratings after the pair `after`, sorted, in batches of whole users; as `newest` returns them.

    A run that goes on beyond its window may have more rows of the last user in it, and of later ones. So
    each step takes the users below the smallest of these: all their rows are in the windows. A window is
    filled until it has two users, so that there always are some, if only those of one window.
    """
    fronts = [_Front(run, after[0], window) for run in runs if len(run)]
    batch: list[tuple[RatingColumns, Integers]] = []
    while fronts:
        last_users = [int(front.window.user_id[-1]) for front in fronts if not front.ended]
        below = min(last_users, default=None)
        ratings, others = newest(RatingColumns.joined(front.pop(below) for front in fronts))
        later = (ratings.user_id > after[0]) | ((ratings.user_id == after[0]) & (ratings.movie_id > after[1]))
        batch.append((ratings.take(later), others[later]))
        fronts = [front for front in fronts if not front.ended or len(front.window)]
        if sum(len(more) for _, more in batch) >= BATCH_ROWS or not fronts:
            ratings, others = RatingColumns.joined(r for r, _ in batch), np.concatenate([o for _, o in batch])
            if len(others):
                yield ratings, others
            batch = []

"""Sorted runs, and their merge (Knuth, TAOCP 3, section 5.4: external sorting).

A run holds ratings sorted by user and movie, each pair once. Runs are in the order of the file, so that
of two equally new ratings of a pair the one in the later run is the later line. As long as they are few
they stay in memory: writing them would keep the disk from those who wait for their commit.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from app.arrays import Integers
from app.imports.columns import Columns

RUN_ROWS = 500_000
"""Few enough that sorting stays within the caches of a processor."""
IN_MEMORY = 8_000_000
"""Rows of an import that are kept in memory, 25 bytes each; of a larger one all are written to files."""
WINDOW_ROWS = 16_384
BATCH_ROWS = 131_072
THREADS = 2


def order(user: Integers, movie: Integers) -> Integers:
    """The permutation that sorts by user and movie, stable.

    Where it has the room, a row is one number of user, movie and place: NumPy sorts numbers by vector
    instructions, six times as fast as it sorts places by their key.
    """
    if size := len(user):
        movie_bits, place_bits = int(movie.max()).bit_length(), size.bit_length()
        if int(user.max()).bit_length() + movie_bits + place_bits <= 63:
            rows = (user << (movie_bits + place_bits)) | (movie << place_bits) | np.arange(size)
            rows.sort()
            return rows & ((1 << place_bits) - 1)
    return np.lexsort((movie, user))


def unique(columns: Columns) -> tuple[Columns, Integers]:
    """One rating a pair of user and movie, sorted: the newest, of equally new ones the last.

    Also answers by each one how many others it stands for, int64 [n].
    """
    columns = columns[order(columns.user_id, columns.movie_id)]
    same = (columns.user_id[1:] == columns.user_id[:-1]) & (columns.movie_id[1:] == columns.movie_id[:-1])
    if not same.any():
        return columns, np.zeros(len(columns), np.int64)
    columns = columns[np.lexsort((columns.rated_at, columns.movie_id, columns.user_id))]
    last = np.flatnonzero(np.append(~same, True))
    return columns[last], np.diff(last, prepend=-1) - 1


class Keyed(Protocol):
    """Ratings by columns."""

    @property
    def user_id(self) -> Integers: ...

    @property
    def movie_id(self) -> Integers: ...


def matches(a: Keyed, b: Keyed) -> tuple[Integers, Integers]:
    """Where the pairs of user and movie that both have, each once at most, are in `a` and in `b`."""
    user, movie = np.concatenate((a.user_id, b.user_id)), np.concatenate((a.movie_id, b.movie_id))
    places = order(user, movie)
    user, movie = user[places], movie[places]
    first = np.flatnonzero((user[1:] == user[:-1]) & (movie[1:] == movie[:-1]))
    return places[first], places[first + 1] - len(a.user_id)


class Run(Protocol):
    """Sorted ratings, in memory (`Columns`) or in a file."""

    @property
    def user_id(self) -> Integers: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Columns: ...


@dataclass(frozen=True, slots=True)
class FileRun:
    """A file with the four columns one behind the other."""

    path: Path
    rows: int

    @classmethod
    def write(cls, path: Path, columns: Columns) -> "FileRun":
        with path.open("wb") as file:
            for column in (columns.user_id, columns.movie_id, columns.rated_at, columns.score):
                column.tofile(file)
        return cls(path, len(columns))

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice) -> Columns:
        start, stop, _ = rows.indices(self.rows)
        user_id, movie_id, rated_at = (self._integers(column, start, stop) for column in range(3))
        score = np.fromfile(self.path, np.uint8, stop - start, offset=8 * 3 * self.rows + start)
        return Columns(user_id, movie_id, rated_at, score)

    def _integers(self, column: int, start: int, stop: int) -> Integers:
        return np.fromfile(self.path, np.int64, stop - start, offset=8 * (column * self.rows + start))

    @property
    def user_id(self) -> Integers:
        return self._integers(0, 0, self.rows)


class RunWriter:
    """Collects ratings and makes runs of about `RUN_ROWS` of them.

    They are sorted beside the caller; `runs` and `duplicates` are whole when the context ends. Of more than
    `in_memory` rows, all go into files in `directory`, and `written` is
    called after each.
    """

    def __init__(self, directory: Path, in_memory: int, written: Callable[[], object] = lambda: None) -> None:
        self.runs: list[Run] = []
        self.duplicates = 0
        self._directory, self._in_memory, self._tell = directory, in_memory, written
        self._buffer: list[Columns] = []
        self._threads = ThreadPoolExecutor(THREADS)
        self._sorting: deque[Future[tuple[Run, int]]] = deque()

    @property
    def rows(self) -> int:
        """How many are in its runs so far."""
        return sum(map(len, self.runs))

    def add(self, columns: Columns) -> None:
        self._buffer.append(columns)
        if sum(map(len, self._buffer)) >= RUN_ROWS:
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

    def _sorted_run(self, number: int, parts: list[Columns], to_file: bool) -> tuple[Run, int]:
        """A run, and how many of its rows others stand for, too."""
        columns, others = unique(Columns.joined(parts))
        return self._written(number, columns) if to_file else columns, int(others.sum())

    def _written(self, number: int, run: Run) -> Run:
        """The run in a file."""
        return FileRun.write(self._directory / f"{number}.run", run) if isinstance(run, Columns) else run

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


class _Reader:
    """One run, read from the front in windows."""

    def __init__(self, run: Run, after_user: int, window: int) -> None:
        self._run, self._size = run, window
        self._next = int(np.searchsorted(run.user_id, after_user)) if after_user > 0 else 0
        self.window = run[0:0]
        self.fill()

    @property
    def ended(self) -> bool:
        return self._next >= len(self._run)

    def fill(self) -> None:
        """Top the window up until it holds more than one user, or the end of the run."""
        while not self.ended and (
            len(self.window) < self._size // 2 or self.window.user_id[0] == self.window.user_id[-1]
        ):
            more = self._run[self._next : self._next + self._size]
            self._next += len(more)
            self.window = Columns.joined((self.window, more))

    def take(self, below: int | None) -> Columns:
        """Take the rows of users below `below` out of the window; all of them for None."""
        size = len(self.window)
        taken = self.window[: size if below is None else int(np.searchsorted(self.window.user_id, below))]
        self.window = self.window[len(taken) :]
        self.fill()
        return taken


def merge(
    runs: Sequence[Run], after: tuple[int, int] = (-1, -1), window: int = WINDOW_ROWS
) -> Iterator[tuple[Columns, Integers]]:
    """All ratings behind the pair `after`, sorted, in batches of whole users; as `unique` answers them."""
    readers = [_Reader(run, after[0], window) for run in runs if len(run)]
    batch: list[tuple[Columns, Integers]] = []
    while readers:
        open_ends = [int(reader.window.user_id[-1]) for reader in readers if not reader.ended]
        below = min(open_ends, default=None)
        columns, others = unique(Columns.joined(reader.take(below) for reader in readers))
        behind = (columns.user_id > after[0]) | (
            (columns.user_id == after[0]) & (columns.movie_id > after[1])
        )
        batch.append((columns[behind], others[behind]))
        readers = [reader for reader in readers if not reader.ended or len(reader.window)]
        if sum(len(more) for _, more in batch) >= BATCH_ROWS or not readers:
            columns, others = Columns.joined(c for c, _ in batch), np.concatenate([more for _, more in batch])
            if len(others):
                yield columns, others
            batch = []

"""The rows of an import that were not taken, each with its place and the reason."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from app.imports.sizes import Sizes
from app.imports.spreadsheets import escape, unescape
from app.storage.files import write_pieces
from app.storage.segments import Segments
from app.storage.store import Store

HEADER = ("line", "column", "value", "reason")
LONGEST_VALUE = 200


class Reject(NamedTuple):
    """`line` counts from 1, the header's; `column` is named as in the file, "" stands for the whole line."""

    line: int | None
    column: str
    value: str
    reason: str


def published(store: Store, task_id: str) -> str | None:
    """The key of the rejects of an ended import, of the last attempt that has published some."""
    keys = [entry.key for entry in store.entries(folder_of(task_id))]
    return max(keys, key=_attempt, default=None)


def folder_of(task_id: str) -> str:
    """Under which what an import has rejected is kept, once it has ended."""
    return f"imports/{task_id}/"


def _attempt(key: str) -> int:
    """0: of an earlier release, which had one name for all attempts."""
    number = key.rpartition("-")[2].partition(".")[0]
    return int(number) if number.isdecimal() else 0


class RejectFile:
    """The rejects of an import while it runs; `publish` puts them in their place.

    `checkpoint` is what `save` has returned: how many rows count, how many more were not listed, and the
    segments, which lie in `folder` of the store. It is written in the transaction that the rejects belong to.
    `scratch`: a folder of this machine.
    """

    def __init__(
        self,
        store: Store,
        task_id: str,
        attempt: int,
        scratch: Path,
        checkpoint: list[Any] | None,
        sizes: Sizes,
    ) -> None:
        self._store, self._task_id, self._attempt, self._scratch = store, task_id, attempt, scratch
        self._most_rows, self._most_bytes = sizes.rejects, sizes.rejects_bytes
        self._rows, self._more, kept = _read(checkpoint)
        self._segments = Segments(store, f"work/{task_id}/", f"rejects-{attempt}", kept)
        if checkpoint is None:
            store.delete_all(folder_of(task_id))  # of an earlier start
            self._segments.append(_line(HEADER))
        elif not self._segments.are_there() and (before := published(store, task_id)) is not None:
            folder, _, name = before.rpartition("/")  # killed after it was published
            self._segments = Segments(store, f"{folder}/", f"again-{attempt}", [(name, self._segments.size)])

    def save(self) -> list[Any]:
        """What counts, for the next attempt."""
        return [self._rows, self._more, self._segments.save()]

    def add(self, rejects: Iterable[Reject]) -> int:
        """Add rejects while there is room, and count the others; returns how many they are in all."""
        before = self._rows + self._more
        for reject in rejects:
            is_full = self._more or self._rows >= self._most_rows
            if is_full or self._segments.size + len(line := _line(_row(reject))) > self._most_bytes:
                self._more += 1
                continue
            self._segments.append(line)
            self._rows += 1
        return self._rows + self._more - before

    def publish(self, first: int) -> list[dict[str, Any]]:
        """Put the file in its place and return the first rejects in it, by the names in the header."""
        path = self._scratch / f"published-{self._attempt}.csv"
        write_pieces(path, chain(self._segments.pieces(), self._not_listed()))
        with path.open(encoding="utf-8", newline="") as file:
            shown = [_shown(row) for row in itertools.islice(csv.DictReader(file), first)]
        self._store.put_file(f"{folder_of(self._task_id)}rejects-{self._attempt}.csv", path)
        return shown

    def _not_listed(self) -> Iterator[bytes]:
        if self._more:
            yield _line(("", "", "", f"and {self._more:,} more, which are not listed"))


def are_there(store: Store, task_id: str, checkpoint: list[Any] | None) -> bool:
    """Whether what counts of an earlier attempt's rejects can be had."""
    if not checkpoint:
        return True
    kept = Segments(store, f"work/{task_id}/", "", _read(checkpoint)[2])
    if kept.are_there():
        return True
    key = published(store, task_id)
    return key is not None and (store.size(key) or 0) >= kept.size


def _read(checkpoint: list[Any] | None) -> tuple[int, int, list[Any]]:
    """Rows, rows that are not listed, and segments; of an earlier release the name and size of a file."""
    if checkpoint is None:
        return 0, 0, []
    if isinstance(checkpoint[0], str):
        name, size, rows, more = [*checkpoint, 0, 0][:4]
        return rows, more, [(name, size)]
    rows, more, kept = checkpoint
    return rows, more, kept


def _row(reject: Reject) -> tuple[object, ...]:
    line = "" if reject.line is None else reject.line
    return line, reject.column, escape(reject.value[:LONGEST_VALUE]), reject.reason


def _line(row: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue().encode()


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """As in the file that was imported: only a spreadsheet needs an apostrophe."""
    return row | {"line": int(row["line"]) if row["line"] else None, "value": unescape(row["value"])}

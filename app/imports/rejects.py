"""The rows of an import that were not taken, each with its place and the reason."""

import csv
import io
import itertools
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from app.imports.sizes import Sizes
from app.imports.spreadsheets import escape, unescape
from app.storage.files import replace_durably

HEADER = ("line", "column", "value", "reason")
LONGEST_VALUE = 200


class Reject(NamedTuple):
    """`line` counts from 1, the header's; `column` is named as in the file, "" stands for the whole line."""

    line: int | None
    column: str
    value: str
    reason: str


def rejects_path(data_dir: Path, task_id: str) -> Path:
    """Where the rejects of an ended import are kept."""
    return data_dir / "imports" / task_id / "rejects.csv"


class RejectFile:
    """The file of rejects while an import runs; `publish` puts it in its place.

    `checkpoint` tells what of it counts: its name, bytes, rows, and how many more were not listed. It is
    written in the transaction that the rejects belong to, after they were synced here. So a file may be
    longer than its checkpoint says: an attempt was killed, or its transaction failed, after it wrote. What
    is beyond belongs to rows that will be read again, and is written over.

    Every attempt has a file of its own, copied from that of the one before: one that was replaced without
    noticing it yet may still be writing to its own.
    """

    def __init__(
        self, directory: Path, attempt: int, published: Path, checkpoint: list[Any] | None, sizes: Sizes
    ) -> None:
        self._path, self._published = directory / f"rejects-{attempt}.csv", published
        self._most_rows, self._most_bytes = sizes.rejects, sizes.rejects_bytes
        directory.mkdir(parents=True, exist_ok=True)
        name, *numbers = checkpoint or (None,)
        self._size, self._rows, self._more = (*map(int, numbers), 0, 0, 0)[:3]
        if name is None:
            published.unlink(missing_ok=True)  # of an earlier start
            self.add([])
        elif name != self._path.name:
            before = directory / name
            shutil.copyfile(before if before.exists() else published, self._path)

    @property
    def checkpoint(self) -> list[Any]:
        """What of the file counts, for the next attempt."""
        return [self._path.name, self._size, self._rows, self._more]

    def add(self, rejects: Iterable[Reject]) -> int:
        """Write rejects while there is room, and count the others; returns how many they are in all."""
        before = self._rows + self._more
        with self._path.open("r+b" if self._size else "wb") as file:
            file.truncate(self._size)
            file.seek(self._size)
            if not self._size:
                self._size = file.write(_line(HEADER))
            for reject in rejects:
                is_full = self._more or self._rows >= self._most_rows
                if is_full or self._size + len(line := _line(_row(reject))) > self._most_bytes:
                    self._more += 1
                    continue
                self._size += file.write(line)
                self._rows += 1
            file.flush()
            os.fsync(file.fileno())
        return self._rows + self._more - before

    def publish(self, first: int) -> list[dict[str, Any]]:
        """Put the file in its place and return the first rejects in it, by the names in the header."""
        self.add([])
        if self._more:
            with self._path.open("ab") as file:  # beyond what counts: written again if this is done again
                file.write(_line(("", "", "", f"and {self._more:,} more, which are not listed")))
                file.flush()
                os.fsync(file.fileno())
        self._published.parent.mkdir(parents=True, exist_ok=True)
        replace_durably(self._path, self._published)
        with self._published.open(encoding="utf-8", newline="") as file:
            return [_shown(row) for row in itertools.islice(csv.DictReader(file), first)]


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

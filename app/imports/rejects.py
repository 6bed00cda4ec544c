"""The rows of an import that were not taken, each with its place and the reason."""

import csv
import itertools
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

HEADER = ("line", "column", "value", "reason")
LONGEST_VALUE = 200
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


class Reject(NamedTuple):
    """`line` counts from 1, the header's; `column` is named as in the file, "" stands for the whole line."""

    line: int | None
    column: str
    value: str
    reason: str


def spreadsheet_safe(text: str) -> str:
    """The text with an apostrophe before it if a spreadsheet could take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def rejects_path(data_dir: Path, task_id: str) -> Path:
    """Where the rejects of an ended import are kept."""
    return data_dir / "imports" / task_id / "rejects.csv"


class RejectFile:
    """The file of rejects while an import runs; `publish` puts it in its place.

    `cursor` tells what of it counts. Whatever an attempt that was killed has written behind that is
    written over. Every attempt has a file of its own: one that was replaced may still be at its.
    """

    def __init__(self, directory: Path, attempt: int, published: Path, cursor: list[Any] | None) -> None:
        self._path, self._published = directory / f"rejects-{attempt}.csv", published
        directory.mkdir(parents=True, exist_ok=True)
        name, self._size = cursor or [None, 0]
        if name is None:
            published.unlink(missing_ok=True)  # of an earlier start
            self.add([])
        elif name != self._path.name:
            before = directory / name
            shutil.copyfile(before if before.exists() else published, self._path)

    @staticmethod
    def is_there(directory: Path, published: Path, cursor: list[Any]) -> bool:
        """Whether what an earlier attempt has written can be gone on with."""
        name, size = cursor
        before = directory / name
        path = before if before.exists() else published
        return path.is_file() and path.stat().st_size >= size

    @property
    def cursor(self) -> list[Any]:
        """What of the file counts, for the next attempt."""
        return [self._path.name, self._size]

    def add(self, rejects: Iterable[Reject]) -> int:
        """Write further ones; answers how many."""
        count = 0
        with self._path.open("r+" if self._size else "w", encoding="utf-8", newline="") as file:
            file.truncate(self._size)
            file.seek(self._size)
            writer = csv.writer(file, lineterminator="\n")
            if not self._size:
                writer.writerow(HEADER)
            for reject in rejects:
                line = "" if reject.line is None else reject.line
                value = spreadsheet_safe(reject.value[:LONGEST_VALUE])
                writer.writerow((line, reject.column, value, reject.reason))
                count += 1
            file.flush()
            os.fsync(file.fileno())
            self._size = os.fstat(file.fileno()).st_size
        return count

    def publish(self, first: int) -> list[dict[str, Any]]:
        """Put the file in its place and answer the first rejects in it, as in the header."""
        self.add([])
        self._published.parent.mkdir(parents=True, exist_ok=True)
        self._path.replace(self._published)
        with self._published.open(encoding="utf-8", newline="") as file:
            rows = itertools.islice(csv.DictReader(file), first)
            return [row | {"line": int(row["line"]) if row["line"] else None} for row in rows]

"""The rows of an import that were not taken, each with its place and the reason."""

import csv
import itertools
import os
import re
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


def append(path: Path, rejects: Iterable[Reject], *, at: int = 0) -> int:
    """Write further rejects at byte `at`, over what an attempt that was killed has left there.

    Answers the size of the file, where the next ones go.
    """
    mode = "r+" if path.exists() else "w+"
    with path.open(mode, encoding="utf-8", newline="") as file:
        file.truncate(at)
        file.seek(at)
        writer = csv.writer(file, lineterminator="\n")
        if not at:
            writer.writerow(HEADER)
        for reject in rejects:
            line = "" if reject.line is None else reject.line
            value = spreadsheet_safe(reject.value[:LONGEST_VALUE])
            writer.writerow((line, reject.column, value, reject.reason))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def first(path: Path, count: int) -> list[dict[str, Any]]:
    """The first rejects of a file as `{"line", "column", "value", "reason"}`."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = itertools.islice(csv.DictReader(file), count)
        return [row | {"line": int(row["line"]) if row["line"] else None} for row in rows]

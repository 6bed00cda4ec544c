"""Records of a table: lines, or several where a quoted field has line breaks (RFC 4180).

An open quote spoils no more than its own line: a record goes on over following lines only if its quotes close
within `MOST_LINES` of them, and only if what comes of it has the columns of the header.
"""

import csv
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from app.imports.readers import lines
from app.imports.readers.fields import BadField
from app.imports.readers.lines import LONGEST_LINE

MOST_LINES = 100
"""Lines of one record, such as a review of several paragraphs."""
NOT_CLOSED = f"a quote that is not closed, or not doubled, within {MOST_LINES} lines"
_BLANKS = " \t\ufeff\u00a0"


class Shape(NamedTuple):
    """`separator` of the columns, of which there are `width` (0: any number), and at `least` so many.

    `quoted`: whether fields may stand in quotes.
    """

    separator: str
    width: int
    least: int
    quoted: bool = True


class Record(NamedTuple):
    """One record. `line`: its first; `fields` without blanks around them; `bad`: why there are none."""

    line: int
    fields: list[str]
    bad: BadField | None = None


def split(text: str, shape: Shape) -> list[str] | None:
    """The fields of a text that is one record, None if a quote in it stays open. Raises `BadField`."""
    if not shape.quoted or '"' not in text:
        parts = text.split(shape.separator)
    else:
        rows = csv.reader([text], delimiter=shape.separator, strict=True, skipinitialspace=True)
        try:
            parts, rest = next(rows), next(rows, None)
        except csv.Error:
            return None
        if rest is not None:
            return None
    return _fitted([part.strip(_BLANKS) for part in parts], text, shape)


def _fitted(parts: list[str], text: str, shape: Shape) -> list[str]:
    """Spreadsheets write empty columns at the end, in some lines or in all, and lines of nothing else."""
    if not shape.width:
        return parts
    if not any(parts):
        raise BadField("", "", "blank line")
    if shape.least <= len(parts) <= shape.width:
        return parts + [""] * (shape.width - len(parts))
    if len(parts) > shape.width and not any(parts[shape.width :]):
        return parts[: shape.width]
    raise BadField("", text, f"{len(parts)} columns where the header has {shape.width}")


def records(blocks: Iterable[bytes], shape: Shape, first: int) -> Iterator[Record]:
    """The records of UTF-8 text in line-aligned blocks. `first`: the number of the first line."""
    ahead = _Lines(itertools.chain.from_iterable(map(lines.split, blocks)))
    number = first
    while (line := ahead.take()) is not None:
        record, count = _record(number, line, ahead, shape)
        yield record
        number += count


class _Lines:
    """Lines that can be looked at before they are taken."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source, self._seen = source, deque[bytes]()

    def take(self) -> bytes | None:
        return self._seen.popleft() if self._seen else next(self._source, None)

    def following(self) -> Iterator[bytes]:
        yield from tuple(self._seen)
        for line in self._source:
            self._seen.append(line)
            yield line

    def drop(self, count: int) -> None:
        for _ in range(count):
            self._seen.popleft()


def _record(number: int, line: bytes, ahead: _Lines, shape: Shape) -> tuple[Record, int]:
    """A record and how many lines it has."""
    try:
        text = _text(line)
        fields = split(text, shape)
        if fields is not None:
            return Record(number, fields), 1
        joined = _joined(text, ahead, shape)
        if joined is None:
            raise BadField("", text, NOT_CLOSED)
    except BadField as bad:
        return Record(number, [], bad), 1
    fields, count = joined
    ahead.drop(count - 1)
    return Record(number, fields), count


def _text(line: bytes) -> str:
    if len(line) > LONGEST_LINE:
        raise BadField("", line[:100].decode("utf-8", "replace"), f"longer than {LONGEST_LINE} bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise BadField("", line.decode("utf-8", "replace"), "not in the encoding of the file") from None
    if not text.strip(_BLANKS):
        raise BadField("", "", "blank line")
    return text


def _joined(text: str, ahead: _Lines, shape: Shape) -> tuple[list[str], int] | None:
    """The fields of a record that goes on over following lines, and how many lines it has."""
    parts, size, quotes = [text], len(text), text.count('"')
    for line in itertools.islice(ahead.following(), MOST_LINES - 1):
        size += len(line)
        if size > LONGEST_LINE:
            return None
        try:
            parts.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            return None
        if not (found := line.count(b'"')):
            continue
        quotes += found
        if quotes % 2 == 0:
            try:
                fields = split("\n".join(parts), shape)
            except BadField:
                return None
            return None if fields is None else (fields, len(parts))
    return None

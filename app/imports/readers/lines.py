"""Files of one record a line: line-aligned blocks, in bounded memory whatever the lines are like."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from app.imports import files
from app.imports.readers import reader
from app.imports.sizes import DEFAULT, Sizes

BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 65_536
"""Bytes. A longer line is cut to two more, one of which may be a carriage return, and rejected."""

Lane = Callable[[bytes, int], reader.Batch]
"""Reads a block of lines, given the number of its first line."""
MakeLane = Callable[["LineReader", list[str], reader.Context, int], Lane]
"""From the reader, the names in the header, the context, and how many stored bytes the file has."""


@dataclass(slots=True)
class LineReader:
    """A `Reader` of files with a header line. `columns` maps our names to those in the header.

    Columns that are `optional`, by our names, may be missing. A file without a header is known by a `pattern`
    of its first line, has the columns `fixed`, and another `separator`.
    """

    name: str
    rows: str
    columns: dict[str, str]
    lane: MakeLane
    optional: Collection[str] = ()
    fixed: list[str] = field(default_factory=list)
    separator: bytes = b","
    pattern: re.Pattern[bytes] | None = None
    personal: bool = False

    def recognises(self, head: bytes) -> bool:
        if self.pattern:
            return bool(self.pattern.match(head))
        names, known = self.header(head), set(self.columns.values())
        needed = known - {self.columns[name] for name in self.optional}
        return needed <= set(names) <= known and len(set(names)) == len(names)

    def header(self, head: bytes) -> list[str]:
        """The names in the first line."""
        if self.fixed:
            return self.fixed
        text = first_line(head).decode("utf-8", "replace")
        return [part.strip().strip('"') for part in text.split(",")]

    def read(self, source: files.Source, context: reader.Context) -> Iterator[reader.Batch]:
        lane, line = None, 1 if self.fixed else 2
        for block in blocks(source.stream, context.sizes):
            start = 0
            if lane is None:
                start = 0 if self.fixed else block.find(b"\n") + 1 or len(block)
                lane = self.lane(self, self.header(block[:start]), context, source.size)
            batch = lane(self._with_commas(block[start:]), line)
            line += batch.read
            yield batch

    def _with_commas(self, block: bytes) -> bytes:
        """The block with commas for its separators; one that was there makes its line a bad one."""
        return block if self.separator == b"," else block.replace(b",", b"\0").replace(self.separator, b",")


def first_line(head: bytes) -> bytes:
    return head.removeprefix(BOM).split(b"\n", 1)[0].removesuffix(b"\r")


def blocks(stream: BinaryIO, sizes: Sizes = DEFAULT) -> Iterator[bytes]:
    """Whole lines, about `sizes.block` bytes at a time; a byte order mark at the start is left out."""
    for block in _blocks(stream, sizes.block):
        if block.count(b"\n") <= sizes.block_lines:
            yield block
            continue
        start = 0
        while start < len(block):
            end = block.find(b"\n", start + sizes.block_lines - 1) + 1 or len(block)
            yield block[start:end]
            start = end


def _blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Blocks of any number of lines.

    `rest` is the start of the line in which a read ended. Of a line without end no more is kept than
    `LONGEST_LINE` + 2 bytes: that is too long even if the last one is a CR, so the line will be rejected.
    """
    rest = b""
    first = True
    while data := stream.read(size):
        if first:
            data, first = data.removeprefix(BOM), False
        end = data.rfind(b"\n") + 1
        if not end:  # no line ends in what was read
            rest = (rest + data)[: LONGEST_LINE + 2]
            continue
        # After a rest that was cut comes its line end alone: between the two some bytes were dropped.
        yield rest + data[data.find(b"\n") if len(rest) > LONGEST_LINE + 1 else 0 : end]
        rest = data[end:][: LONGEST_LINE + 2]
    if rest:
        yield rest


def split(block: bytes) -> list[bytes]:
    """The lines of a block without their ends."""
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]

"""Line-aligned blocks of a byte stream, in bounded memory whatever the lines are like."""

from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 1 << 20
LONGEST_LINE = 65_536
"""Bytes. A longer line is cut to two more, one of which may be a carriage return, and rejected."""


MOST_LINES = 200_000
"""Lines of a block. Ratings have fewer; blank lines are shorter, and each may be rejected."""


def blocks(stream: BinaryIO, size: int = BLOCK) -> Iterator[bytes]:
    """Whole lines, about `size` bytes of them at a time; a byte order mark at the start is left out."""
    for block in _blocks(stream, size):
        if block.count(b"\n") <= MOST_LINES:
            yield block
            continue
        start = 0
        while start < len(block):
            end = block.find(b"\n", start + MOST_LINES - 1) + 1 or len(block)
            yield block[start:end]
            start = end


def _blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    rest = b""
    first = True
    while data := stream.read(size):
        if first:
            data, first = data.removeprefix(b"\xef\xbb\xbf"), False
        end = data.rfind(b"\n") + 1
        if not end:  # not one line ends here: keep the start, drop what makes it too long anyway
            rest = (rest + data)[: LONGEST_LINE + 2]
            continue
        # The rest of a line that was cut is dropped, not joined to its start.
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

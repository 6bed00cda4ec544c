"""The uploaded file: plain, .gz or .zip, seen as CSV members to be read one after the other."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from app.errors import Invalid


class Source(NamedTuple):
    """An open member: its bytes unpacked, and how many stored bytes have been read for them."""

    stream: BinaryIO
    position: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Member:
    """One CSV file. `size`: its bytes as stored, packed if it is."""

    name: str
    size: int
    open: Callable[[], AbstractContextManager[Source]]


def members(path: Path, filename: str) -> list[Member]:
    """The CSV files in an upload. Raises `Invalid`, `TooLarge`."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == b"\x1f\x8b":
        return [Member(filename.removesuffix(".gz"), size, lambda: _gzip(path))]
    if magic == b"PK\x03\x04":
        raise Invalid(f"{filename} is a zip file, which cannot be imported yet. Unpack it first.")
    return [Member(filename, size, lambda: _plain(path))]


@contextmanager
def _plain(path: Path) -> Iterator[Source]:
    with path.open("rb") as file:
        yield Source(file, file.tell)


@contextmanager
def _gzip(path: Path) -> Iterator[Source]:
    with path.open("rb") as file, gzip.open(file) as stream:
        try:
            yield Source(cast(BinaryIO, stream), file.tell)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Invalid(f"The .gz file is damaged ({error}). Pack it and send it again.") from error

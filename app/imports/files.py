"""The uploaded file: plain, .gz or .zip, seen as CSV members to be read one after the other.

Nothing is unpacked to disk, and no name in an archive becomes a path.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from app.errors import Invalid, TooLarge

MOST_ENTRIES = 1000
HARMLESS = 100 << 20
"""Bytes that anything may unpack to; above, it must not be `MOST_PACKED` times what is stored."""
DEFLATE_MOST = 1032
"""Times its size that deflated data can unpack to."""
MOST_PACKED = 200
"""CSV packs to a tenth or so, a bomb to less than a five hundredth."""


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
            file.seek(-4, io.SEEK_END)  # RFC 1952: the unpacked size, modulo 2^32
            unpacked = int.from_bytes(file.read(4), "little")
            if unpacked <= DEFLATE_MOST * size:  # else that is no size at all: the end is missing
                _refuse_bomb(filename, unpacked, size)
            return [Member(filename.removesuffix(".gz"), size, lambda: _gzip(path, filename))]
    if magic[:2] == b"PK":
        return _zip_members(path, filename)
    return [Member(filename, size, lambda: _plain(path))]


@contextmanager
def _plain(path: Path) -> Iterator[Source]:
    with path.open("rb") as file:
        yield Source(file, file.tell)


@contextmanager
def _gzip(path: Path, filename: str) -> Iterator[Source]:
    with path.open("rb") as file, gzip.open(file) as stream, _damage(filename):
        yield Source(_guarded(cast(BinaryIO, stream), filename, file.tell), file.tell)


def _zip_members(path: Path, filename: str) -> list[Member]:
    with _damage(filename), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise Invalid(f"{filename} holds {len(entries)} files. Pack only the CSV files to import.")
    found = []
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in entry.filename:
            raise Invalid(f"{filename} holds a file named {entry.filename!r}, which leads out of it.")
        if name.suffix.lower() == ".csv" and "__MACOSX" not in name.parts and not entry.is_dir():
            if entry.flag_bits & 1:
                raise Invalid(f"{name} in {filename} is encrypted. Pack it without a password.")
            _refuse_bomb(filename, entry.file_size, entry.compress_size)
            found.append(_zip_member(path, filename, entry))
    if not found:
        raise Invalid(f"{filename} holds no CSV file. Pack the CSV files to import.")
    return found


def _zip_member(path: Path, filename: str, entry: zipfile.ZipInfo) -> Member:
    @contextmanager
    def open_entry() -> Iterator[Source]:
        with _damage(filename), zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
            share = entry.compress_size / max(1, entry.file_size)
            yield Source(cast(BinaryIO, stream), lambda: int(stream.tell() * share))

    return Member(entry.filename, entry.compress_size, open_entry)


@contextmanager
def _damage(filename: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise Invalid(
            f"{filename} is damaged or packed in an unusual way ({error}). Pack it again."
        ) from error


def _refuse_bomb(filename: str, unpacked: int, packed: int) -> None:
    if unpacked > HARMLESS and unpacked > MOST_PACKED * packed:
        raise TooLarge(
            f"{filename} unpacks to more than {MOST_PACKED} times its size. Send the CSV file itself."
        )


def _guarded(stream: BinaryIO, filename: str, packed: Callable[[], int]) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Guard(stream, filename, packed)))


class _Guard(io.RawIOBase):
    """Reads on only while what comes out is in proportion to what is stored."""

    def __init__(self, stream: BinaryIO, filename: str, packed: Callable[[], int]) -> None:
        self._stream, self._filename, self._packed = stream, filename, packed
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        self._read += count
        _refuse_bomb(self._filename, self._read, self._packed())
        return count

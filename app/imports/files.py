"""The uploaded file: plain, .gz or .zip, seen as CSV members to be read one after the other.

Nothing is unpacked to disk, and no name in an archive becomes a path.
"""

import errno
import gzip
import io
import itertools
import struct
import zipfile
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from app.errors import AppError, Damaged, Invalid, TooLarge

MOST_ENTRIES = 1000
READ = (".csv", ".tsv", ".dat", ".data", ".item", ".json")
"""How names of files in a zip end that are looked at."""
READ_ALONE = (".txt", ".xml")
"""The same where a zip holds none of these: beside tables such a file is a description of them."""
_WORKBOOKS = {"xl/workbook.xml": "an Excel workbook (.xlsx)", "content.xml": "an OpenDocument file (.ods)"}
HARMLESS = 100 << 20
"""Bytes that anything may unpack to; above, it must not be `MOST_PACKED` times what is stored."""
DEFLATE_MOST = 1032
"""Times its size that deflated data can unpack to."""
MOST_PACKED = 200
"""CSV packs to a tenth or so, a bomb to less than a five hundredth."""
SHORTEST_GZIP = 18
"""Bytes of head and end (RFC 1952)."""
_LOCAL = struct.Struct("<4s2x HH 4x LLL 4x")
"""Of an entry of a zip: magic, flags, method, checksum, packed size, unpacked size."""
_ENCRYPTED, _SIZES_FOLLOW = 0x1, 0x8
_IN_ZIP64 = 0xFFFFFFFF


class Source(NamedTuple):
    """An open member: its bytes unpacked, how many stored bytes were read for them, and how many it has."""

    stream: BinaryIO
    position: Callable[[], int]
    size: int


@dataclass(frozen=True, slots=True)
class Member:
    """One CSV file. `size`: its bytes as stored, packed if it is."""

    name: str
    size: int
    open: Callable[[], AbstractContextManager[Source]]


class Contents(NamedTuple):
    """The files of an upload that may be read, and the names of those that are not looked at."""

    members: list[Member]
    unread: list[str]


def contents(path: Path, filename: str) -> Contents:
    """What is in an upload. Raises `Damaged`, `Invalid`, `TooLarge`."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            if size < SHORTEST_GZIP:
                raise _damaged(filename, "its end is missing")
            file.seek(-4, io.SEEK_END)  # RFC 1952: the unpacked size, modulo 2^32
            unpacked = int.from_bytes(file.read(4), "little")
            if unpacked <= DEFLATE_MOST * size:  # else that is no size at all: the end is missing
                _refuse_bomb(filename, unpacked, size)
            packed = Member(filename.removesuffix(".gz"), size, lambda: _gzip(path, filename))
            return Contents([packed], [])
    if magic[:2] == b"PK":
        return _contents_of_zip(path, filename)
    return Contents([Member(filename, size, lambda: _plain(path))], [])


@contextmanager
def _plain(path: Path) -> Iterator[Source]:
    with path.open("rb") as file:
        yield Source(file, file.tell, path.stat().st_size)


@contextmanager
def _gzip(path: Path, filename: str) -> Iterator[Source]:
    with path.open("rb") as file, gzip.open(file) as stream:
        guarded = _guarded(cast(BinaryIO, stream), filename, file.tell)
        yield Source(guarded, file.tell, path.stat().st_size)


def _contents_of_zip(path: Path, filename: str) -> Contents:
    with _damage(filename), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        _refuse_overlaps(filename, entries, archive.start_dir)
    _refuse_workbook(filename, {entry.filename for entry in entries})
    if len(entries) > MOST_ENTRIES:
        raise Invalid(f"{filename} holds {len(entries)} files. Pack only the CSV files to import.")
    found, alone, others = list[Member](), list[Member](), list[str]()
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in entry.filename:
            raise Invalid(f"{filename} holds a file named {entry.filename!r}, which leads out of it.")
        suffix = name.suffix.lower()
        if entry.is_dir() or "__MACOSX" in name.parts:  # what a Mac notes of the other files
            continue
        if suffix in READ + READ_ALONE:
            (found if suffix in READ else alone).append(_zip_member(path, filename, entry))
        else:
            others.append(entry.filename)
    if not found and not alone:
        raise Invalid(f"{filename} holds no CSV file. Pack the CSV files to import.")
    if found:
        others += [member.name for member in alone]
    return Contents(found or alone, others)


def _refuse_workbook(filename: str, names: Container[str]) -> None:
    for name, what in _WORKBOOKS.items():
        if name in names:
            raise Invalid(
                f"{filename} is {what}, which cannot be read. In the spreadsheet choose File, Save as, "
                "CSV UTF-8 (comma delimited), and send that file."
            )


def _zip_member(path: Path, filename: str, entry: zipfile.ZipInfo) -> Member:
    if entry.flag_bits & 1:
        raise Invalid(f"{entry.filename} in {filename} is encrypted. Pack it without a password.")
    _refuse_bomb(filename, entry.file_size, entry.compress_size)

    @contextmanager
    def open_entry() -> Iterator[Source]:
        with path.open("rb") as file, ExitStack() as stack:
            with _damage(filename):
                _check_header(filename, file, entry)
                archive = stack.enter_context(zipfile.ZipFile(file))
                stream = stack.enter_context(archive.open(entry))
            share = entry.compress_size / max(1, entry.file_size)
            unpacked = _guarded(
                cast(BinaryIO, stream), filename, lambda: int(stream.tell() * share), entry.file_size
            )
            yield Source(unpacked, lambda: int(stream.tell() * share), entry.compress_size)

    return Member(entry.filename, entry.compress_size, open_entry)


def _refuse_overlaps(filename: str, entries: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Entries that share their bytes are how a small zip comes to many times its size."""
    starts = sorted((entry.header_offset, entry.compress_size) for entry in entries)
    for (start, size), (following, _) in itertools.pairwise([*starts, (end, 0)]):
        if start + _LOCAL.size + size > following:
            raise _damaged(filename, "two of its files overlap")


def _check_header(filename: str, file: BinaryIO, entry: zipfile.ZipInfo) -> None:
    """What the directory says of an entry has to be what stands before the entry itself."""
    file.seek(entry.header_offset)
    magic, flags, method, *sizes = _LOCAL.unpack(file.read(_LOCAL.size))
    listed = (entry.CRC, entry.compress_size, entry.file_size)
    same = flags & _SIZES_FOLLOW or all(a in (b, _IN_ZIP64) for a, b in zip(sizes, listed, strict=True))
    if magic != b"PK\3\4" or method != entry.compress_type or flags & _ENCRYPTED or not same:
        raise _damaged(filename, f"its directory and its entry {entry.filename!r} differ")


@contextmanager
def _damage(filename: str) -> Iterator[None]:
    """Whatever an unpacker raises says that the file is no good: of which kind depends on where it is broken.

    A fault of the disk stays one.
    """
    try:
        yield
    except AppError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # EINVAL: a place before the start of the file
        raise _damaged(filename, str(error)) from error


def _damaged(filename: str, why: str) -> Damaged:
    return Damaged(f"{filename} is damaged or packed in an unusual way ({why[:200]}). Pack it again.")


def _refuse_bomb(filename: str, unpacked: int, packed: int) -> None:
    if unpacked > HARMLESS and unpacked > MOST_PACKED * packed:
        raise TooLarge(
            f"{filename} unpacks to more than {MOST_PACKED} times its size. Send the CSV file itself."
        )


def _guarded(stream: BinaryIO, filename: str, packed: Callable[[], int], size: int | None = None) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Guard(stream, filename, packed, size)))


class _Guard(io.RawIOBase):
    """Reads on only while what comes out is in proportion to what is stored. `size`: of all of it."""

    def __init__(self, stream: BinaryIO, filename: str, packed: Callable[[], int], size: int | None) -> None:
        self._stream, self._filename, self._packed, self._size = stream, filename, packed, size
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _damage(self._filename):
            count: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        self._read += count
        if not count and self._size is not None and self._read != self._size:
            raise _damaged(self._filename, f"{self._read:,} bytes where its directory says {self._size:,}")
        _refuse_bomb(self._filename, self._read, self._packed())
        return count

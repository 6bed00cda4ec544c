"""The archive: a tar file whose first member says what it is, and whose last one the digest of every other.

So it can be written to a pipe, read from one, and looked at with `tar`. Nothing of it counts before the last
member was read: one that was cut short has none, and one in which a byte has changed has another digest.
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from app.errors import Damaged, Invalid
from app.storage.copies import AT_ONCE

HEADER, CONTENTS = "matinee-backup.json", "contents.json"
FORMAT = 1
MOST_JSON = 64 << 20
"""Bytes of a header or of the contents at most."""
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){1,3}")
"""Of the members in between: relative, and none leads out of a folder."""
_BLOCK, _END = tarfile.BLOCKSIZE, b"\0" * tarfile.RECORDSIZE


@dataclass
class Header:
    """What an archive is. `forgotten`: [id, when] of people whose data is not in it; see `ledger`.

    `created_at`: epoch seconds, before the database was read. `left_out`: what there should be, but was not.
    """

    engine: str
    schema: str
    release: str
    created_at: float
    settings: dict[str, str] = field(default_factory=dict)
    forgotten: list[tuple[int, float]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    format: int = FORMAT


class Writer:
    """Writes an archive to a file or pipe. `written`: bytes so far."""

    def __init__(self, target: BinaryIO, header: Header) -> None:
        self._target, self._header = target, header
        self._members: list[tuple[str, int, str]] = []
        self.written = 0
        self._add_json(HEADER, asdict(header))

    def add(self, name: str, size: int, content: Iterable[bytes], report: Callable[[int], object]) -> None:
        """Write a member. `report` gets the bytes of each piece.

        Raises `OSError`, and `ValueError` for a size that is not that of the content.
        """
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(self._header.created_at)
        self._write(info.tobuf(tarfile.GNU_FORMAT))
        digest, left = hashlib.sha256(), size
        for some in content:
            digest.update(some)
            self._write(some)
            left -= len(some)
            report(len(some))
        if left:
            raise ValueError(f"{name} has {size - left} bytes, not {size}")
        self._write(b"\0" * (-size % _BLOCK))
        self._members.append((name, size, digest.hexdigest()))

    def finish(self) -> str:
        """Write the contents, without which the archive does not count; returns their digest."""
        self._add_json(CONTENTS, {"members": self._members})
        digest = self._members[-1][2]
        self._write(_END)
        self._target.flush()
        return digest

    def _add_json(self, name: str, value: dict[str, Any]) -> None:
        text = json.dumps(value).encode()
        self.add(name, len(text), [text], lambda _: None)

    def _write(self, some: bytes) -> None:
        self.written += len(some)
        self._target.write(some)


class Member:
    """A member that is being read. Its `content` can be gone through once."""

    def __init__(self, name: str, size: int, file: Any) -> None:
        self.name, self.size = name, size
        self._file = file
        self.digest = hashlib.sha256()

    @property
    def content(self) -> Iterator[bytes]:
        """Raises `Damaged` if the archive ends in it."""
        while some := self._read():
            self.digest.update(some)
            yield some

    def _read(self) -> bytes:
        try:
            return bytes(self._file.read(AT_ONCE))
        except (tarfile.TarError, EOFError) as error:
            raise Damaged("The backup is cut short.") from error


def read_header(source: BinaryIO) -> Header:
    """What an archive is, without reading the rest. Raises `Damaged`, `Invalid`."""
    with _opened(source) as archive:
        return _header(next(_members(archive), None))


def read(source: BinaryIO) -> Iterator[Header | Member]:
    """The header, then every member whose content counts, each to be read before the next one.

    Raises `Damaged` at the end unless all is as it was written; `Invalid` for what is no archive.
    """
    with _opened(source) as archive:
        members = _members(archive)
        first = next(members, None)
        yield _header(first)
        assert first is not None  # noqa: S101
        seen = [[first.name, first.size, first.digest.hexdigest()]]
        for member in members:
            if member.name == CONTENTS:
                _compare(seen, _json(member))
                if next(members, None) is not None:
                    raise Damaged("The backup has something after its end.")
                return
            if not _NAME.fullmatch(member.name):
                raise Damaged(f"The backup has a member {member.name[:100]!r}, which no backup has.")
            yield member
            for _ in member.content:  # what was not read of it counts too
                pass
            seen.append([member.name, member.size, member.digest.hexdigest()])
    raise Damaged("The backup is cut short: its end is missing.")


def _opened(source: BinaryIO) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=source, mode="r|")
    except tarfile.TarError as error:
        raise Invalid("This is no backup that `matinee backup` has made, or its start is damaged.") from error


def _members(archive: tarfile.TarFile) -> Iterator[Member]:
    try:
        for info in archive:
            file = archive.extractfile(info) if info.isreg() else None
            if file is None:
                raise Damaged(f"The backup has a member {info.name[:100]!r} that is no file.")
            yield Member(info.name, info.size, file)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Damaged("The backup is damaged or cut short.") from error


def _json(member: Member) -> Any:
    if member.size > MOST_JSON:
        raise Damaged(f"{member.name} of the backup is too large.")
    try:
        return json.loads(b"".join(member.content))
    except ValueError as error:
        raise Damaged(f"{member.name} of the backup cannot be read.") from error


def _header(first: Member | None) -> Header:
    if first is None or first.name != HEADER:
        raise Invalid("This is no backup that `matinee backup` has made, or its start is damaged.")
    given = _json(first)
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise Invalid("The backup was made by a newer release. Install that release to restore it.")
    try:
        header = Header(**given)
        header.forgotten = [(int(user_id), float(at)) for user_id, at in header.forgotten]
    except (TypeError, ValueError) as error:
        raise Damaged(f"{HEADER} of the backup cannot be read.") from error
    return header


def _compare(seen: list[list[Any]], contents: Any) -> None:
    written = contents.get("members") if isinstance(contents, dict) else None
    if seen == written:
        return
    changed = [name for name, *rest in seen if [name, *rest] not in (written or [])]
    what = f"{changed[0]} is not what was written" if changed else "members are missing"
    raise Damaged(f"The backup is damaged: {what} (by its SHA-256). Nothing of it was restored.")

"""Receiving an upload: streamed to disk off the event loop, and counted and hashed on the way."""

import asyncio
import hashlib
import os
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.multipart import parse_options_header

from app.api.forms import FRAMING, FileOfForm
from app.errors import AppError, Conflict, TooLarge, UnsupportedMediaType
from app.imports.readers.encodings import is_known
from app.storage.locks import try_lock
from app.storage.store import Store

WRITE_SIZE = 1 << 18
"""Bytes in memory for each upload, of which there may be hundreds."""
DISK = ThreadPoolExecutor(4, thread_name_prefix="upload")
"""Threads of their own: a stalled disk must not block those of other requests."""
TO_STORE = ThreadPoolExecutor(4, thread_name_prefix="store")
"""The same for a store that may be far away: its waits must not block uploads that are received."""
CSV_TYPES = (
    *("text/csv", "application/csv", "text/plain", "application/octet-stream", "text/tab-separated-values"),
    *("text/x-csv", "application/x-csv", "text/comma-separated-values", "application/vnd.ms-excel"),
    *("application/json", "text/json"),
)
"""Windows takes a CSV for what opens it; an export of Trakt is JSON."""
PACKED_TYPES = (
    *("application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed"),
    *("application/x-zip", "multipart/x-zip", "application/x-compressed"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A completely received file. `sha256` in hexadecimal, `size` in bytes; `charset`: as declared, or ""."""

    path: Path
    filename: str
    size: int
    sha256: str
    charset: str = ""


class Receiver:
    """Receives one upload into `directory`.

    Uploads with the same `name` exclude each other by a lock on their file, which the system releases when
    the process dies. Raises `Conflict` while another one is being received.
    """

    def __init__(self, directory: Path, limit: int, name: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = (
            directory / f"{hashlib.sha256(name.encode()).hexdigest() if name else uuid.uuid4().hex}.part"
        )
        self._limit = limit
        lock = try_lock(self.path)
        if lock is None:
            raise Conflict(
                "The first request with this idempotency key is still being received. Repeat it in a second.",
                headers={"Retry-After": "1"},
            )
        self._file: BinaryIO = os.fdopen(lock, "r+b", buffering=0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self._size = 0
        self._kept = False

    async def receive(self, request: Request) -> Upload:
        """Read the body, raw or multipart. Raises `TooLarge`, `UnsupportedMediaType`, `Invalid`."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limit + FRAMING:
            raise self._too_large()
        filename = request.headers.get("x-filename", "")
        if kind == "multipart/form-data":
            form = FileOfForm(request.headers["content-type"])
            await self._write_all(form.read(request.stream()))
            filename = form.filename
        elif kind and kind not in CSV_TYPES + PACKED_TYPES:
            raise UnsupportedMediaType(
                f"An import cannot be {kind}. Send the file with Content-Type: text/csv (or "
                "application/gzip, application/zip), or as the part `file` of multipart/form-data."
            )
        else:
            await self._write_all(request.stream())
        return Upload(
            self.path,
            _printable(Path(filename).name[:200]),
            self._size,
            self._hash.hexdigest(),
            _charset(request.headers.get("content-type", "")),
        )

    async def _write_all(self, chunks: AsyncIterator[bytes]) -> None:
        waiting = bytearray()
        async for chunk in chunks:
            waiting += chunk
            if len(waiting) >= WRITE_SIZE:
                await self._on_disk(bytes(waiting))
                waiting.clear()
        await self._on_disk(bytes(waiting), last=True)

    async def _on_disk(self, data: bytes, *, last: bool = False) -> None:
        await asyncio.get_running_loop().run_in_executor(DISK, partial(self._write, data, last=last))

    def _write(self, data: bytes, *, last: bool = False) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise self._too_large()
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        if last:
            os.fsync(self._file.fileno())

    def _too_large(self) -> AppError:
        return TooLarge(
            f"The upload has more than {self._limit:,} bytes (MATINEE_MAX_UPLOAD). Send it in parts."
        )

    async def keep(self, store: Store, key: str) -> None:
        """Move the file into the store; `close` no longer removes it. Raises `Unavailable`."""
        await asyncio.get_running_loop().run_in_executor(TO_STORE, store.put_file, key, self.path)
        self._kept = True

    def close(self) -> None:
        """Close the file, and remove it unless it was kept."""
        if not self._kept:  # a kept one has left the path, which another receiver may use by now
            self.path.unlink(missing_ok=True)
        self._file.close()


def _charset(content_type: str) -> str:
    """What the header declares; nothing for UTF-8, which clients say of whatever they send, or nonsense."""
    _, options = parse_options_header(content_type)
    charset = options.get(b"charset", b"").decode("latin-1").strip().lower()
    return charset if is_known(charset) and charset not in ("utf-8", "utf8") else ""


def _printable(filename: str) -> str:
    """The file name with unprintable letters replaced, for messages and the database."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in filename)

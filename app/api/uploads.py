"""Receiving an upload: streamed to disk off the event loop, measured and hashed on the way."""

import errno
import hashlib
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import AppError, Conflict, Invalid, StorageFull, TooLarge, UnsupportedMediaType
from app.storage.files import put
from app.storage.locks import try_lock

WRITE_SIZE = 1 << 20
CSV_TYPES = ("text/csv", "application/csv", "text/plain", "application/octet-stream")
PACKED_TYPES = ("application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was received whole. `sha256` in hexadecimal, `size` in bytes."""

    path: Path
    filename: str
    size: int
    sha256: str


class Receiver:
    """Receives one upload into `directory`.

    Uploads with one `name` exclude each other by a lock on their file, which the system lets go of when
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
        """Read the body, raw or multipart. Raises `TooLarge`, `UnsupportedMediaType`, `Invalid`, ..."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limit + 10_000:
            raise self._too_large()
        filename = request.headers.get("x-filename", "")
        if kind == "multipart/form-data":
            filename = await self._receive_form(request)
        elif kind and kind not in CSV_TYPES + PACKED_TYPES:
            raise UnsupportedMediaType(
                f"An import cannot be {kind}. Send the file with Content-Type: text/csv (or "
                "application/gzip, application/zip), or as the part `file` of multipart/form-data."
            )
        else:
            await self._write_all(request.stream())
        return Upload(self.path, Path(filename).name[:200], self._size, self._hash.hexdigest())

    async def _receive_form(self, request: Request) -> str:
        parser = MultiPartParser(request.headers, self._capped(request.stream()), max_files=1)
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise Invalid(f"The form cannot be read: {error.message}") from None
        try:
            part = form.get("file")
            if not isinstance(part, UploadFile):
                raise Invalid("The form has no file. Send it as the part `file`: curl -F file=@ratings.csv.")
            await self._write_all(_chunks(part))
            return part.filename or ""
        finally:
            await form.close()

    async def _capped(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        seen = 0
        async for chunk in chunks:
            seen += len(chunk)
            if seen > self._limit + 10_000:
                raise self._too_large()
            yield chunk

    async def _write_all(self, chunks: AsyncIterator[bytes]) -> None:
        waiting = bytearray()
        async for chunk in chunks:
            waiting += chunk
            if len(waiting) >= WRITE_SIZE:
                await run_in_threadpool(self._write, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(self._write, bytes(waiting), last=True)

    def _write(self, data: bytes, *, last: bool = False) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise self._too_large()
        self._hash.update(data)
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            if last:
                os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(f"No space left for the upload after {self._size:,} bytes.") from None
            raise

    def _too_large(self) -> AppError:
        return TooLarge(
            f"The upload has more than {self._limit:,} bytes (MATINEE_MAX_UPLOAD). Send it in parts."
        )

    def keep(self, path: Path) -> None:
        """Move the file to its place; it is no longer this receiver's to remove."""
        put(self.path, path)
        self._kept = True

    def close(self) -> None:
        """Let go of the file; what was not kept is gone."""
        if not self._kept:  # else the path may be another receiver's by now
            self.path.unlink(missing_ok=True)
        self._file.close()


async def _chunks(part: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await part.read(WRITE_SIZE):
        yield chunk

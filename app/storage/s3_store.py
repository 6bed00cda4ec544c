"""The store in a bucket of S3, or of a server that speaks its protocol, by the library `obstore`.

Credentials, region and endpoint are those of the environment, under the names that every client of S3 knows:
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.
"""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

from app.errors import AppError, ConfigurationError, Unavailable
from app.storage.store import PART, Entry, Store, Told, _nothing

PROBE = "matinee-store.json"
"""Looked for by `check`; the body of the answer tells a bucket that is missing from a file that is."""
CONNECT, REQUEST, RETRIES = timedelta(seconds=2), timedelta(seconds=15), timedelta(seconds=10)
"""For a connection, for a request with its body (a part at most), and for the last attempt to begin: together
less than a worker may be silent."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.1), timedelta(seconds=1)
"""Between two attempts."""
AT_ONCE = 2
"""Parts of an upload on their way at once."""


class S3Store(Store):
    """`address`: s3://BUCKET or s3://BUCKET/PREFIX. A file is one object; a large one is put in parts.

    Every wait is bounded: a request is tried again for `RETRIES`, then `Unavailable` is raised. A file is
    read range by range, so that nothing is lost when a reader is slow or a connection ends.
    """

    def __init__(self, address: str) -> None:
        try:
            import obstore
            from obstore.store import S3Store as Client
        except ImportError:
            raise ConfigurationError(
                "MATINEE_STORE=s3://... needs the library obstore: install matinee[s3], or name a folder."
            ) from None
        self.where = address
        self._api: Any = obstore
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        self._client: Any = Client(
            bucket,
            prefix=prefix.strip("/") or None,
            client_options={
                "connect_timeout": CONNECT,
                "timeout": REQUEST,
                "allow_http": _endpoint().startswith("http://"),
            },
            retry_config={
                "max_retries": 40,
                "retry_timeout": RETRIES,
                "backoff": {"init_backoff": FIRST_PAUSE, "max_backoff": LONGEST_PAUSE, "base": 2},
            },
        )

    def path(self, key: str) -> None:  # noqa: ARG002
        return None

    def put(self, key: str, data: bytes) -> None:
        with self._translated(key):
            self._api.put(self._client, key, data, chunk_size=PART, max_concurrency=AT_ONCE)

    def put_file(self, key: str, path: Path, told: Told = _nothing) -> None:
        if path.stat().st_size <= PART:
            self.put(key, path.read_bytes())
        else:
            with self._translated(key), path.open("rb") as file:
                parts = _parts(file, told)
                self._api.put(self._client, key, parts, chunk_size=PART, max_concurrency=AT_ONCE)
        path.unlink()

    def size(self, key: str) -> int | None:
        try:
            with self._translated(key):
                return int(self._api.head(self._client, key)["size"])
        except FileNotFoundError:
            return None

    def open(self, key: str) -> BinaryIO:
        size = self.size(key)
        if size is None:
            raise FileNotFoundError(2, f"is not in {self.where}", key)
        return cast(BinaryIO, io.BufferedReader(_Ranges(self, key, size), PART))

    def range(self, key: str, start: int, size: int) -> bytes:
        """Some bytes of a file, which has as many. Raises `FileNotFoundError`."""
        with self._translated(key):
            return bytes(self._api.get_range(self._client, key, start=start, length=size))

    def entries(self, prefix: str) -> Iterator[Entry]:
        with self._translated(prefix):
            for some in self._api.list(self._client, prefix.rstrip("/") or None, chunk_size=1000):
                for one in some:
                    yield Entry(one["path"], one["size"], one["last_modified"].timestamp())

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            try:
                with self._translated(key):
                    self._api.delete(self._client, key)
            except FileNotFoundError:  # of a server that tells
                continue

    def check(self) -> None:
        try:
            with self._translated(PROBE):
                self._api.get(self._client, PROBE).bytes()
        except FileNotFoundError:
            return
        except Unavailable as error:
            if isinstance(error, _Refused):
                raise ConfigurationError(error.detail) from error
            raise

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        """Raise the client's errors as what they mean to a caller."""
        try:
            yield
        except (self._api.exceptions.BaseError, FileNotFoundError) as error:
            raise self._meaning(error, key) from error

    def _meaning(self, error: Exception, key: str) -> AppError | OSError:
        text = str(error)
        names = self._api.exceptions
        if "NoSuchBucket" in text:
            bucket = self.where.removeprefix("s3://").partition("/")[0]
            return _Refused(
                f"There is no bucket {bucket!r} at {_endpoint() or 'AWS'}: make it, or correct MATINEE_STORE."
            )
        if isinstance(error, FileNotFoundError | names.NotFoundError):
            return FileNotFoundError(2, f"is not in {self.where}", key)
        if "RequestTimeTooSkewed" in text:
            return _Refused(
                f"{self.where} refuses requests, since the clock of this machine is wrong by minutes. Set it "
                "(timedatectl set-ntp true)."
            )
        refused = ("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "403 Forbidden")
        if isinstance(error, names.PermissionDeniedError | names.UnauthenticatedError) or any(
            name in text for name in refused
        ):
            return _Refused(
                f"{self.where} refuses these credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to "
                "those of a user who may read, write, list and delete there."
            )
        reason = " ".join(text.split("\n\n", maxsplit=1)[0].split())[:300].rstrip(".")
        return Unavailable(
            f"The store {self.where} cannot be reached: {reason}. It is tried again; start the server of "
            "AWS_ENDPOINT_URL, or correct the variable.",
            headers={"Retry-After": "5"},
        )


class _Refused(Unavailable):
    """A setting is wrong, or was made wrong while the service ran."""


class _Ranges(io.RawIOBase):
    """A file of the store, of which each read is a request of its own."""

    def __init__(self, store: S3Store, key: str, size: int) -> None:
        self._store, self._key, self._size, self._at = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(PART) or b"", b""))

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at, PART)
        if wanted <= 0:
            return 0
        data = self._store.range(self._key, self._at, wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _parts(file: BinaryIO, told: Told) -> Iterator[bytes]:
    while part := file.read(PART):
        yield part
        told()

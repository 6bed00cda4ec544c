"""The outcome of one attempt at an HTTP call, and whether another may succeed and can do no harm."""

import inspect
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
KEY_HEADERS = ("Idempotency-Key", "X-Task-Id")
THROTTLED_STATUSES = frozenset({409, 429, 503})
RETRIED_STATUSES = THROTTLED_STATUSES | {408, 425, 500, 502, 504}
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
MAYBE_EXECUTED = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one attempt: a response, an error, or both if the function raised for the status."""

    response: httpx.Response | None = None
    error: httpx.HTTPError | None = None

    @classmethod
    def of(cls, func: Callable[[], httpx.Response]) -> "Outcome":
        try:
            return cls(response=_called(func))
        except httpx.HTTPStatusError as error:
            return cls(error.response, error)
        except httpx.HTTPError as error:
            return cls(error=error)

    @property
    def answer(self) -> httpx.Response | None:
        """The response if it is a success: 2xx, or a 3xx that does not send the request elsewhere."""
        response = self.response
        if self.error or response is None or response.status_code >= 400 or response.has_redirect_location:
            return None
        return response

    @property
    def request(self) -> httpx.Request | None:
        for carrier in (self.error, self.response):
            with suppress(RuntimeError):  # httpx: not set
                if carrier is not None:
                    return carrier.request
        return None

    @property
    def host(self) -> str:
        return self.request.url.netloc.decode("ascii") if self.request else ""

    @property
    def repeatable(self) -> bool:
        """Whether a second execution does no harm: an idempotent method, or an idempotency key."""
        request = self.request
        return request is not None and (
            request.method in IDEMPOTENT_METHODS or any(request.headers.get(name) for name in KEY_HEADERS)
        )

    @property
    def throttled(self) -> bool:
        return self.response is not None and self.response.status_code in THROTTLED_STATUSES

    @property
    def transient(self) -> bool:
        """Whether another attempt may succeed and can do no harm."""
        if self.response is not None:
            status = self.response.status_code
            in_progress = status != 409 or "Retry-After" in self.response.headers
            return status in RETRIED_STATUSES and in_progress and self.repeatable
        if isinstance(self.error, NEVER_SENT):
            return not _untrusted(self.error)
        return isinstance(self.error, MAYBE_EXECUTED) and self.repeatable

    @property
    def resendable(self) -> bool:
        """Whether the body can be sent again; an open file is rewound for that."""
        return self.request is None or _rewind(self.request)

    @property
    def failure(self) -> httpx.HTTPError:
        if self.error is not None:
            return self.error
        request, response = self.request, self.response
        message = f"{self.target}: {self}"  # httpx's own text holds the query, and needs a request
        return httpx.HTTPStatusError(message, request=request, response=response)  # type: ignore[arg-type]

    @property
    def target(self) -> str:
        """Method and URL without user, query and fragment, which may hold secrets."""
        if self.request is None:
            return "(no request)"
        url = self.request.url
        path = url.raw_path.partition(b"?")[0].decode("ascii")  # escaped: no line breaks in a log
        return f"{self.request.method} {url.scheme}://{self.host}{path}"

    def __str__(self) -> str:
        if self.response is not None:
            return f"{self.response.status_code} {self.response.reason_phrase}".strip()
        return type(self.error).__name__


def _called(func: Callable[[], httpx.Response]) -> httpx.Response:
    response: Any = func()
    if inspect.iscoroutine(response):
        response.close()  # else Python warns that it was never awaited
    if not isinstance(response, httpx.Response):
        kind = type(response).__name__
        hint = " An async function cannot be called here." if inspect.isawaitable(response) else ""
        raise TypeError(f"The function has to return an httpx.Response, not a {kind}.{hint}")
    return response


def _untrusted(error: BaseException | None) -> bool:
    """Whether a bad certificate made a connect fail: it would be as bad at the next attempt."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def _rewind(request: httpx.Request) -> bool:
    """Rewind the body so that it can be sent again; False if a second attempt would send less.

    httpx keeps the source as a private attribute of the request's stream. A closed file was opened by the
    function itself, which will open it again.
    """
    stream: Any = request.stream
    if isinstance(stream, httpx.ByteStream):  # of unknown length: an iterator that was read into memory
        return "Transfer-Encoding" not in request.headers
    if not getattr(stream, "_is_stream_consumed", True):
        return True
    files = [field.file for field in getattr(stream, "fields", ()) if hasattr(field, "file")]
    return all(_rewind_source(source) for source in files or [getattr(stream, "_stream", stream)])


def _rewind_source(source: Any) -> bool:
    if not hasattr(source, "read"):
        return not isinstance(source, Iterator)
    if getattr(source, "closed", False):
        return True
    if not (hasattr(source, "seekable") and source.seekable()):
        return False
    source.seek(0)
    return True

"""What stands before every request: who may call, from where, with how large a body; and a request id."""

import ipaddress
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.admission import Admission, patience
from app.api.problems import problem_response
from app.api.statistics import Statistics
from app.config import Settings
from app.errors import AppError, BadRequest, Forbidden, TooLarge

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "testserver")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
STREAMED = ("/imports",)  # these check the size of their body themselves
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class _MisdirectedRequest(AppError):
    status, type, title = 421, "misdirected-request", "Unknown host"


class Guard:
    """Pure ASGI middleware. Without a configured secret only callers on this machine are let in."""

    def __init__(self, app: ASGIApp, *, settings: Settings, statistics: Statistics) -> None:
        self.app = app
        names = settings.allowed_hosts.split(",")
        self._hosts = {*LOCAL_NAMES, *(name.strip().lower() for name in names if name.strip())}
        self._max_body = settings.max_body
        self._statistics = statistics
        self._admission = Admission()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        scope["request_id"] = request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    answer.setdefault(name, value)
            await send(message)

        try:
            self._check(scope, headers)
            await self._admit(scope, headers, receive, send_with_headers)
        except AppError as error:
            await problem_response(error, request_id)(scope, receive, send_with_headers)
        finally:
            if not _waits(scope, headers):
                self._statistics.count(status, time.perf_counter() - started)

    async def _admit(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if _waits(scope, headers):
            await self.app(scope, receive, send)
            return
        await self._admission.enter(patience(headers.get("x-request-timeout")))
        try:
            await self.app(scope, self._limited(scope, receive), send)
        finally:
            self._admission.leave()

    def _check(self, scope: Scope, headers: Headers) -> None:
        _check_caller(scope)
        self._check_host(headers.get("host", ""))
        if scope["method"] not in SAFE_METHODS:
            self._check_origin(headers)
            if scope["path"] not in STREAMED:
                self._check_length(headers)

    def _check_host(self, host: str) -> None:
        name = _host_name(host)
        if name not in self._hosts:
            raise _MisdirectedRequest(
                f"This server does not answer to the name {name[:100]!r}. Add it to MATINEE_ALLOWED_HOSTS."
            )

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is None or _host_name(origin.partition("://")[2]) in self._hosts:
            return
        raise Forbidden(f"A page of {origin[:100]!r} may not change anything here.")

    def _check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise BadRequest("Content-Length is not a number.")
        if int(length) > self._max_body:
            raise TooLarge(f"The body has {length} bytes; {self._max_body} are allowed here.")

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """A body without a length is counted as it comes."""
        if scope["path"] in STREAMED or scope["method"] in SAFE_METHODS:
            return receive
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_body:
                raise TooLarge(f"The body has more than {self._max_body} bytes, which are allowed here.")
            return message

        return receive_counted


def _waits(scope: Scope, headers: Headers) -> bool:
    """Whether a request takes its time by its nature - uploads, streams, long polls - or must not queue."""
    path: str = scope["path"]
    takes_time = path in STREAMED or path.endswith(("/events", ".csv")) or "prefer" in headers
    return takes_time or path.startswith("/health")


def _host_name(host: str) -> str:
    """The name in a Host header or an origin, without the port."""
    return re.sub(r":\d*$", "", host.strip().lower())


def _check_caller(scope: Scope) -> None:
    client = scope.get("client")
    if client is None:
        return  # a Unix socket
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return  # an in-process client has no address
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_loopback:
        raise Forbidden(
            "This service is open to its own machine only, since no authentication is configured. "
            "Call it from there, or put a proxy with authentication on that machine in front of it."
        )

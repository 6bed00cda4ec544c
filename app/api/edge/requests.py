"""Every request has an id, is counted, and is a line in the log when it has ended, whatever becomes of it."""

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.api.edge.manners import Manner
from app.api.edge.request_ids import request_id_of, trace_of
from app.api.edge.routes import UNKNOWN
from app.api.edge.statistics import SLOW, Statistics

METHODS = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"))
LINE = "%s %s %s in %.1f ms, %d bytes"
HUNG_UP = "no response"
"""In place of the status: the caller hung up first."""

log = logging.getLogger("matinee.requests")


class Requests:
    """Puts the id into the scope (`request_id`) and into the response (X-Request-ID).

    `belongs` of the scope are the fields of all records of the request; further layers add to them.
    """

    def __init__(self, app: ASGIApp, *, statistics: Statistics) -> None:
        self.app = app
        self._statistics = statistics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, ended, status, size = time.perf_counter(), 0.0, 0, 0
        request_id = request_id_of(scope["fields"].get(b"x-request-id", b""))
        scope["request_id"] = request_id.decode()
        scope["belongs"] = {"request_id": scope["request_id"]}
        if traceparent := scope["fields"].get(b"traceparent"):
            scope["belongs"] |= trace_of(traceparent)
        before = logs.begin(scope["belongs"])

        async def send_and_see(message: Message) -> None:
            nonlocal status, ended, size
            if message["type"] == "http.response.start":
                status, ended = message["status"], time.perf_counter()
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        finally:
            manner = scope.get("manner")
            if manner is not Manner.PROBES and status:
                seconds = None if manner in SLOW else ended - scope.get("began", began)
                self._statistics.count(status, seconds)
            _tell(scope, status, time.perf_counter() - began, size)
            logs.end(before)


def _tell(scope: Scope, status: int, seconds: float, size: int) -> None:
    """The line of a request. That of a probe, which comes every few seconds, is for debugging."""
    level = logging.DEBUG if scope.get("manner") is Manner.PROBES else logging.INFO
    if not log.isEnabledFor(level):
        return
    method = scope["method"] if scope["method"] in METHODS else "_OTHER"
    route, ms = scope.get("template", UNKNOWN), round(seconds * 1000, 3)
    said: dict[str, Any] = {"method": method, "route": route, "status": status or None, "ms": ms}
    said["bytes"] = size
    log.log(level, LINE, method, route, status or HUNG_UP, ms, size, extra={"fields": said})

"""Every request has an id, is counted, and is a line in the log when it has ended, whatever becomes of it."""

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs, traces
from app.api.edge.manners import Manner
from app.api.edge.request_ids import request_id_of, trace_of
from app.api.edge.routes import UNKNOWN
from app.measures import REQUESTS, Measures
from app.storage.last_request import LastRequest

METHODS = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"))
SLOW = frozenset((Manner.STREAMS, Manner.UPLOADS, Manner.WAITS, Manner.FOLLOWS, Manner.LOGS_IN))
"""Manners whose duration depends on the caller and says nothing about the service."""
PATIENT = frozenset((Manner.PROBES, Manner.WAITS, Manner.FOLLOWS))
"""Manners of requests that wait for the worker itself, or of probes: it makes no room for them."""
LINE = "%s %s %s in %.1f ms, %d bytes"
HUNG_UP = "no response"
"""In place of the status: the caller hung up first."""

log = logging.getLogger("matinee.requests")


class Requests:
    """Puts the id into the scope (`request_id`) and into the response (X-Request-ID).

    `belongs` of the scope are the fields of all records of the request; further layers add to them.
    """

    def __init__(self, app: ASGIApp, *, measures: Measures, last: LastRequest) -> None:
        self.app = app
        self._measures, self._last = measures, last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, ended, status, size = time.perf_counter(), 0.0, 0, 0
        request_id = request_id_of(scope["fields"].get(b"x-request-id", b""))
        scope["request_id"] = request_id.decode()
        scope["belongs"] = {"request_id": scope["request_id"]}
        if traceparent := scope["fields"].get(b"traceparent"):
            scope["belongs"] |= trace_of(traceparent)
        span = traces.note(request_id=scope["request_id"])
        if span is not None:
            scope["belongs"]["trace_id"] = span.split("-")[1]
        before = logs.begin(scope["belongs"])
        self._measures.active += 1  # in the event loop alone

        async def send_and_see(message: Message) -> None:
            nonlocal status, ended, size
            if message["type"] == "http.response.start":
                status, ended = message["status"], time.perf_counter()
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
                if span is not None:
                    message["headers"].append((b"traceparent", span.encode()))
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        finally:
            self._measures.active -= 1
            self._end(scope, status, time.perf_counter() - began, ended - scope.get("began", began), size)
            logs.end(before)

    def _end(self, scope: Scope, status: int, seconds: float, latency: float, size: int) -> None:
        """Count the request and write its line; that of a probe, which comes every few seconds, at DEBUG."""
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        route, manner = scope.get("template", UNKNOWN), scope.get("manner")
        self._measures.observe(REQUESTS, seconds, method, route, str(status) if status else "none")
        if manner is not Manner.PROBES and status:
            self._measures.note(status, None if manner in SLOW else latency)
        if manner not in PATIENT:
            self._last.note()
        level = logging.DEBUG if manner is Manner.PROBES else logging.INFO
        if not log.isEnabledFor(level):
            return
        ms = round(seconds * 1000, 3)
        said: dict[str, Any] = {"method": method, "route": route, "status": status or None, "ms": ms}
        said["bytes"] = size
        said["client"] = (scope.get("client") or ("",))[0]  # as a trusted proxy names it
        logs.say(log, level, LINE, method, route, status or HUNG_UP, ms, size, fields=said)

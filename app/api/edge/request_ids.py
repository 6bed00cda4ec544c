"""The id of a request, and of the trace that it is part of: those of the caller if they are well-formed."""

import os
import re
from typing import Any

WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")
TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
"""Of W3C Trace Context: version, trace, span of the caller, flags."""


def request_id_of(given: bytes) -> bytes:
    """What the caller calls the request (X-Request-ID), or a new id."""
    return given if given and WELL_FORMED.fullmatch(given) else os.urandom(16).hex().encode()


def trace_of(traceparent: bytes | None) -> dict[str, Any]:
    """The field `trace_id` of the records of a request that is part of a trace."""
    match = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return {"trace_id": match[1].decode()} if match else {}

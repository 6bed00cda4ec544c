"""Conditional requests (RFC 9110, section 13): what has not changed is not sent again.

A tag is made of versions that were read before what they stand for, so that it is never newer than that.
"""

import hashlib
import re
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI, Request, Response

from app.api.dependencies import ServiceDependency
from app.repository import versions

# section 8.8.3: opaque-tag = DQUOTE *etagc DQUOTE; a list may have empty elements
_TAGS = re.compile(r'[ \t,]*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)')
_RELEASE = version("matinee")
_CACHE = "no-cache"
"""A browser may keep it, and asks each time whether it is still right."""


class NotModified(Exception):
    """The caller has what it asks for."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


def install(app: FastAPI) -> None:
    """Have `NotModified` end a request with 304."""
    app.add_exception_handler(NotModified, _not_modified)


async def _not_modified(_request: Request, error: Any) -> Response:
    return Response(status_code=304, headers={"ETag": error.tag, "Cache-Control": _CACHE})


def _condition(request: Request) -> str:
    return ",".join(request.headers.getlist("if-none-match")).strip()


def tag_of(request: Request, *parts: Any) -> str:
    """The tag of the answer to this request, as far as it depends on `parts`."""
    text = repr((_RELEASE, request.url.path, request.url.query, parts))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def check(request: Request, *tags: str) -> None:
    """Raises `NotModified` if the caller has one of these tags."""
    given = _TAGS.findall(_condition(request))  # weakly compared: W/ makes no difference
    for tag in tags:
        if tag in given:
            raise NotModified(tag)


def mark(request: Request, response: Response, tag: str) -> None:
    """Give the answer its tag. Raises `NotModified` if the caller has it, or any (`*`)."""
    if _condition(request) == "*":
        raise NotModified(tag)
    check(request, tag)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = _CACHE


def of_what_is_shown(request: Request, response: Response, service: ServiceDependency) -> None:
    """A dependency of reads whose answer is made of movies and ratings alone."""
    with service.database.read() as connection:
        tag = tag_of(request, versions.shown(connection))
    mark(request, response, tag)


SHOWN = [Depends(of_what_is_shown)]

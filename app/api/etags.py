"""Conditional requests (RFC 9110, section 13): what has not changed is not sent again.

A tag is made from versions that are read before the data, so that it is never newer than the data.
"""

import hashlib
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Header, Request, Response

from app.api.dependencies import ServiceDependency
from app.api.edge.direct import briefly
from app.errors import PreconditionFailed
from app.movie import Movie
from app.repository import versions

_TAGS = re.compile(r'[ \t,]*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)')
"""opaque-tag = DQUOTE *etagc DQUOTE (section 8.8.3); a list may have empty elements."""
_RELEASE = version("matinee")
_CACHE = "no-cache"
"""A browser may store the response, and revalidates it each time."""


Setter = TypeVar("Setter", bound=Callable[..., Any])


class NotModified(Exception):
    """The caller has the current response already. The argument is its tag."""


def install(app: FastAPI) -> None:
    """Turn `NotModified` into a 304."""
    app.add_exception_handler(NotModified, _not_modified)


async def _not_modified(_request: Request, error: Any) -> Response:
    return Response(status_code=304, headers={"ETag": error.args[0], "Cache-Control": _CACHE})


def is_conditional(request: Request) -> bool:
    """Whether the caller says which response they have."""
    return b"if-none-match" in request.scope["fields"]


def _condition(request: Request) -> str:
    if not is_conditional(request):
        return ""
    return ",".join(request.headers.getlist("if-none-match")).strip()


def tag_of_movie(movie: Movie) -> str:
    """A strong tag of all that is shown of a movie: also a new rating of it moves it."""
    return _digest(_RELEASE, movie)


def tag_of(request: Request, *parts: Any) -> str:
    """The tag of the response to this request; `parts`: versions of what the response is made from."""
    return _digest(_RELEASE, request.scope["path"], request.scope["query_string"], parts)


def _digest(*parts: Any) -> str:
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def check(request: Request, *tags: str) -> None:
    """Raises `NotModified` if the caller has one of these tags."""
    if not (condition := _condition(request)):
        return
    given = _TAGS.findall(condition)  # weak comparison (section 13.1.2): W/ makes no difference
    for tag in tags:
        if tag in given:
            raise NotModified(tag)


def mark(request: Request, response: Response, tag: str) -> None:
    """Set the tag of the response. Raises `NotModified` if the caller has it, or asks with `*`."""
    if _condition(request) == "*":
        raise NotModified(tag)
    check(request, tag)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = _CACHE


def tagged(setter: Setter) -> Setter:
    """Declare that an endpoint, or a dependency of it, marks the response: the description shows that."""
    setter.sets_tag = True  # type: ignore[attr-defined]
    return setter


def is_tagged(setter: Any) -> bool:
    return getattr(setter, "sets_tag", False)


@tagged
async def of_what_is_shown(request: Request, response: Response, service: ServiceDependency) -> None:
    """A dependency of reads that show movies and ratings alone."""

    def tag() -> str:
        with service.database.read() as connection:
            return tag_of(request, versions.shown(connection))

    mark(request, response, await briefly(tag))


SHOWN = [Depends(of_what_is_shown)]


class IfMatch:
    """The precondition of a change (RFC 9110, section 13.1.1): it is as it was read."""

    def __init__(self, given: str | None) -> None:
        self._given = given

    def require(self, tag: str) -> None:
        """Raises `PreconditionFailed` if the header is there, and neither `*` nor has this tag, strong."""
        if self._given is None or self._given.strip() == "*":
            return
        strong = (match for match in _TAGS.finditer(self._given) if "W/" not in match[0].partition('"')[0])
        if tag not in (match[1] for match in strong):
            raise PreconditionFailed(
                f"If-Match has not the present tag {tag}: it was changed since it was read. Read it again."
            )


async def _if_match(  # async: a sync one would run in a thread
    request: Request,
    if_match: Annotated[
        str | None,
        Header(description="the ETag of what is to be changed, or `*`; 412 if it is another by now"),
    ] = None,
) -> IfMatch:
    return IfMatch(if_match if if_match is None else ",".join(request.headers.getlist("if-match")))


IfMatchDependency = Annotated[IfMatch, Depends(_if_match)]

"""What several endpoints use: the service, ids, paging."""

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Query, Request, Response

from app.api.values import Count, Id
from app.errors import BadRequest
from app.rating import MAX_ID
from app.service import Service
from app.task import Task

Item = TypeVar("Item")


async def _service(request: Request) -> Service:  # async: a sync one would run in a thread
    return request.app.state.service  # type: ignore[no-any-return]


ServiceDependency = Annotated[Service, Depends(_service)]
MovieId = Annotated[Id, Path(description="id of a movie")]
UserId = Annotated[Id, Path(description="id of a user, with a name or without")]
Limit = Annotated[Count, Query(description="how many at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="from the Link header of the previous page")]


def decode_cursor(cursor: str | None, length: int) -> tuple[int, ...] | None:
    """The position in a cursor, or None without one. Raises `BadRequest` unless it is one of ours."""
    if cursor is None:
        return None
    position = _decoded(cursor)
    if len(position) != length or not all(type(part) is int and -1 <= part <= MAX_ID for part in position):
        raise _no_cursor()
    return position


def decode_cursor_of_text(cursor: str | None) -> tuple[float, str] | None:
    """Likewise, for a position that is a time and a text."""
    if cursor is None:
        return None
    match _decoded(cursor):
        case (float() as at, str() as text) if math.isfinite(at) and text.isascii() and text.isprintable():
            return at, text
    raise _no_cursor()


def _decoded(cursor: str) -> tuple[Any, ...]:
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        position = None
    if not isinstance(position, list):
        raise _no_cursor()
    return tuple(position)


def _no_cursor() -> BadRequest:
    return BadRequest("The cursor is not one of ours. Take it from the Link header of the previous page.")


def link_next(
    request: Request,
    response: Response,
    limit: int,
    found: Sequence[Item],
    position: Callable[[Item], tuple[Any, ...]],
) -> None:
    """Link a full page to the next one, which begins after the `position` of the last item (RFC 8288)."""
    if len(found) < limit:
        return
    cursor = base64.urlsafe_b64encode(json.dumps(position(found[-1])).encode()).decode().rstrip("=")
    url = request.url.include_query_params(cursor=cursor)
    response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'


def poll_again(response: Response, task: Task) -> None:
    if not task.ended:
        response.headers["Retry-After"] = "1"

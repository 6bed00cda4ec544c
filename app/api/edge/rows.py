"""The rows of a batch in the body of a request: read once, so that what is judged is what is written.

JSON, as a list in one member of an object, or JSON lines, by the Content-Type. JSON is UTF-8 (RFC 8259,
section 8.1), whatever the charset parameter says. An object that names a member twice is no row, since
readers differ in which one they take.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from app.errors import Invalid, UnsupportedMediaType

JSON, LINES = ("application/json",), ("application/x-ndjson", "application/jsonl")


@dataclass(frozen=True, slots=True)
class Fault:
    """In the place of a row that cannot be read: why."""

    reason: str


async def rows_of(request: Request) -> list[Any]:
    """The rows, each a value of JSON or a `Fault`. Raises `Invalid`, `UnsupportedMediaType`."""
    if "rows" not in request.scope:
        kind = request.headers.get("content-type", JSON[0]).partition(";")[0].strip().lower()
        read = _reader(kind)
        request.scope["rows"] = await run_in_threadpool(read, await request.body())
    rows: list[Any] = request.scope["rows"]
    return rows


def _reader(kind: str) -> Callable[[bytes], list[Any]]:
    if kind in JSON:
        return _list
    if kind in LINES:
        return _lines
    raise UnsupportedMediaType(
        f"The body is {kind[:100]!r}. Send {JSON[0]}, or one JSON object a line as {LINES[0]}."
    )


def _list(body: bytes) -> list[Any]:
    found = _value(_text(body))
    if isinstance(found, Fault):
        raise Invalid(f"The body cannot be read: {found.reason}.")
    if not isinstance(found, dict) or found.keys() != {"ratings"} or not isinstance(found["ratings"], list):
        raise Invalid('The body has to be {"ratings": [...]}, with nothing else in it.')
    rows: list[Any] = found["ratings"]
    return rows


def _lines(body: bytes) -> list[Any]:
    """Lines end with a line feed; those of blanks alone are no rows."""
    return [_value(line) for line in _text(body).split("\n") if line.strip()]


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"The body is no UTF-8: byte {error.start} cannot be read.") from None


def _value(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError:
        return Fault("it is nested too deeply")
    except ValueError as error:
        return Fault(f"it is no JSON: {error}")


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Fault("a name is in it twice")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")

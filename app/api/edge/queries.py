"""The query of a request: parameters that its route knows, each once unless it is a list.

A misspelt parameter would otherwise be ignored in silence, and the answer be that to another question.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import AppError, Invalid

LONGEST_SHOWN = 100
"""Characters of a name that are repeated in a problem."""
MOST_SHOWN = 10


class Queries:
    """Raises `Invalid` for unknown parameters, and for those that are there twice and are no list."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known, text = scope["query"], scope["query_string"]
        if text and known is not None and not _is_plain(known, text) and (refusal := _refusal(known, text)):
            raise refusal
        await self.app(scope, receive, send)


def _is_plain(known: Mapping[str, bool], text: bytes) -> bool:
    """Whether all names are known, once each and as they are written: so are those of most requests."""
    names = [part.partition("=")[0] for part in text.decode("latin-1").split("&")]
    return len(set(names)) == len(names) and all(name in known for name in names)


def _refusal(known: Mapping[str, bool], text: bytes) -> AppError | None:
    given = Counter(name for name, _ in parse_qsl(text.decode("latin-1"), keep_blank_values=True))
    there = f"There are: {', '.join(sorted(known))}." if known else "There are none here."
    faults = [_fault(name, f"There is no such parameter. {there}") for name in given if name not in known]
    faults += [
        _fault(name, f"It is there {count} times; give it once.")
        for name, count in given.items()
        if count > 1 and known.get(name) is False
    ]
    if not faults:
        return None
    first = faults[0]
    return Invalid(
        f"The query does not fit: {first['parameter']}: {first['detail']}", errors=faults[:MOST_SHOWN]
    )


def _fault(name: str, detail: str) -> dict[str, Any]:
    return {"detail": detail, "parameter": name[:LONGEST_SHOWN]}

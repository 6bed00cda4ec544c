"""The Accept header (RFC 9110, section 12.5.1): a request that takes nothing of what its route answers with.

Problem details come whatever it says: a caller who gets an error needs to know which.
"""

from collections.abc import Iterable, Iterator

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import NotAcceptable


class Accepts:
    """Raises `NotAcceptable`. A header of which nothing can be read says nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        types, text = scope["types"], scope["fields"].get(b"accept", b"")
        if types and text not in (b"", b"*/*") and not takes(_whole(scope), types):
            raise NotAcceptable(f"This address answers with {' or '.join(types)}, which Accept excludes.")
        await self.app(scope, receive, send)


def _whole(scope: Scope) -> str:
    """The header with all its lines."""
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept")


def takes(accept: str, types: Iterable[str]) -> bool:
    """Whether the value of an Accept header takes one of these media types."""
    ranges = dict(_ranges(accept))
    return not ranges or any(_weight(ranges, one) > 0 for one in types)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Media ranges with their weights. Parameters other than the weight make no difference here."""
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name.count("/") == 1:
            weights = [value for value in parameters if value.startswith("q=")]
            yield name, _number(weights[0][2:]) if weights else 1.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _weight(ranges: dict[str, float], media_type: str) -> float:
    """That of the most specific range."""
    name = media_type.partition(";")[0].strip().lower()
    for one in (name, f"{name.partition('/')[0]}/*", "*/*"):
        if one in ranges:
            return ranges[one]
    return 0.0

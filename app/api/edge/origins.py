"""The origin of a request: a page of another origin may not change anything."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.edge.manners import SAFE_METHODS
from app.errors import Forbidden

PORTS = {"http": 80, "https": 443}
FOREIGN = frozenset((b"cross-site", b"same-site"))
"""Values of Sec-Fetch-Site (W3C Fetch Metadata); `same-site` is another port or a sibling's name."""


class Origins:
    """Raises `Forbidden`. `names`: Host names of proxies, which may terminate TLS."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str] = frozenset()) -> None:
        self.app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in SAFE_METHODS:
            fields = scope["fields"]
            origin = fields.get(b"origin")
            if origin is not None and not self._is_own(origin.decode("latin-1"), scope):
                raise Forbidden(f"A page of {origin.decode('latin-1')[:100]!r} may not change anything here.")
            if fields.get(b"sec-fetch-site") in FOREIGN:
                raise Forbidden("A page of another site or port may not change anything here.")
        await self.app(scope, receive, send)

    def _is_own(self, origin: str, scope: Scope) -> bool:
        """Whether the origin has the scheme, name and port that the request was sent to."""
        try:
            page = urlsplit(origin)
            sent_to = urlsplit(f"//{scope['fields'].get(b'host', b'').decode('latin-1')}")
            default = PORTS[page.scheme]
            same = (page.hostname, page.port or default) == (sent_to.hostname, sent_to.port or default)
        except (ValueError, KeyError):  # "null", or not an origin
            return False
        has_tls_before_it = page.scheme == "https" and sent_to.hostname in self._names
        return same and (page.scheme == scope["scheme"] or has_tls_before_it)

"""The origin of a request: a page of another origin may not change anything."""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.edge.callers import presented
from app.api.edge.manners import SAFE_METHODS
from app.errors import Forbidden
from app.people.door import Kind

PORTS = {"http": 80, "https": 443}
FOREIGN = frozenset((b"cross-site", b"same-site"))
"""Values of Sec-Fetch-Site (W3C Fetch Metadata); `same-site` is another port or a sibling's name."""


class Origins:
    """Raises `Forbidden`. `names`: Host names of proxies, which may terminate TLS.

    A page of a `named` origin (CORS) may log in, and change what a token or key in its header may.
    """

    def __init__(
        self, app: ASGIApp, *, names: frozenset[str] = frozenset(), named: frozenset[str] = frozenset()
    ) -> None:
        self.app = app
        self._names = names
        self._named = named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in SAFE_METHODS:
            fields = scope["fields"]
            origin = fields.get(b"origin")
            if origin is not None and not self._is_own(origin.decode("latin-1"), scope):
                self._judge(origin.decode("latin-1"), scope)
            elif fields.get(b"sec-fetch-site") in FOREIGN:
                raise Forbidden("A page of another site or port may not change anything here.")
        await self.app(scope, receive, send)

    def _judge(self, origin: str, scope: Scope) -> None:
        """Raises `Forbidden` if a page of another origin may not do this."""
        if origin not in self._named:
            raise Forbidden(f"A page of {origin[:100]!r} may not change anything here.")
        if scope["rule"].role is not None and presented(scope).kind is not Kind.BEARER:
            raise Forbidden(
                f"A page of {origin[:100]!r} may change something only with a token or an API key, in the "
                "header Authorization: Bearer."
            )

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

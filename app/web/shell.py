"""What all pages share: the frame with its policy, and for whom it is made."""

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from app.api.edge.callers import presented
from app.errors import AppError
from app.people.door import Found
from app.repository import users
from app.service import Service
from app.user import Caller, Role

FOLDER = Path(__file__).parent
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

ADDRESSES = re.compile(r'<[^>]*? (?:href|src|action)="(?=/(?!/))')
"""What stands before an address of ours in a page, whose texts are escaped."""
EXTENDED_EVERY = 24 * 3600.0
"""Seconds. A session that is used is made to last on; not more often, since that writes."""

templates = Jinja2Templates(FOLDER / "templates")


@dataclass(frozen=True, slots=True)
class Visitor:
    """For whom a page is made; with the door closed an admin without an id.

    `csrf_token`: None unless they are there by cookie. `is_ageing`: whether their session should be extended.
    """

    role: Role
    user_id: int | None = None
    name: str | None = None
    csrf_token: str | None = None
    is_ageing: bool = False

    def may(self, role: str) -> bool:
        """Whether the page offers what needs that role."""
        return self.role.includes(Role(role))


def page(request: Request, template: str, *, status_code: int = 200, **context: Any) -> Response:
    """A page for the caller of the request; for the `visitor` None, as at the login, without scripts.

    Raises like a transaction of the request.
    """
    root = request.scope.get("root_path", "")
    here = "/" + request.url.path.removeprefix(root)[1:].partition("/")[0]
    context |= {"here": here, "root": root}
    if "visitor" not in context:
        context["visitor"] = visitor(request)
    html = templates.get_template(f"{template}.html").render(context)
    response = HTMLResponse(below(root, html), status_code)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


def below(root: str, html: str) -> str:
    """The page with the prefix `root` before its addresses: templates write them without."""
    return ADDRESSES.sub(lambda match: match[0] + root, html) if root else html


def found(request: Request) -> Found | None:
    """Who the caller is, also of a request that the edge has refused; None: unknown."""
    with suppress(AppError):
        return _service(request).door.remembered(presented(request.scope))
    return None


def visitor(request: Request) -> Visitor | None:
    """For whom a page is made; None: it is not known who calls. Raises `AppError`."""
    caller: Caller | None = request.scope.get("caller")
    if caller is None and (known := found(request)) is not None:
        caller = known.caller
    if caller is None:
        return None
    service, name = _service(request), _name(request, caller)
    if not caller.by_cookie or caller.session is None:
        return Visitor(caller.role, caller.user_id, name)
    lasts = service.settings.session_days * 24 * 3600 - EXTENDED_EVERY
    is_ageing = caller.until - time.time() < lasts
    return Visitor(caller.role, caller.user_id, name, service.door.csrf_token(caller.session), is_ageing)


def _name(request: Request, caller: Caller) -> str | None:
    if caller.user_id is None:
        return None
    with _service(request).database.read() as connection:
        return users.name_of(connection, caller.user_id)


def _service(request: Request) -> Service:
    return request.app.state.service  # type: ignore[no-any-return]

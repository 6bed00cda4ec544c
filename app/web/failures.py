"""What a browser shows when a request is refused: the login, or a page that says why."""

import base64
import hashlib
import ipaddress
import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from app.api.edge.manners import SAFE_METHODS
from app.errors import AppError, Forbidden, MethodNotAllowed, MisdirectedRequest, Unauthorized
from app.web.shell import FOLDER, found, page, visitor

PASSED_ON = ("x-forwarded-", "forwarded", "x-real-ip")
"""How the names of headers begin by which a proxy names its caller."""
FORM = "application/x-www-form-urlencoded"
STYLE = (FOLDER / "bare.css").read_text("utf-8")
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
BARE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""For a page that has its style in itself: whom the edge keeps out gets no files either."""


def install(app: FastAPI) -> None:
    """A browser that asked for a page gets errors as pages too."""
    for kind, handler in app.exception_handlers.items():
        app.exception_handlers[kind] = _with_pages(handler)


def _with_pages(handler: Any) -> Any:
    """An exception handler that turns the problem details of `handler` into a page for a person."""

    async def handle(request: Request, error: Exception) -> Response:
        response: Response = await handler(request, error)
        if not isinstance(response, JSONResponse) or not _for_a_person(request):
            return response
        if isinstance(error, Unauthorized) and _navigates(request):
            return RedirectResponse(f"/login?{urlencode({'next': _path(request)})}", status_code=303)
        return await run_in_threadpool(_error_page, request, error, response)

    return handle


def _error_page(request: Request, error: Exception, response: Response) -> Response:
    """The page with the problem details of `response` and those of its headers that a browser acts on."""
    problem = json.loads(bytes(response.body))
    if isinstance(error, HTTPException | MethodNotAllowed) and response.status_code in (404, 405):
        problem |= {"title": "Not found", "detail": f"There is no page at {request.url.path[:200]}."}
    bare, known = _bare(request, error), None
    with suppress(AppError):
        known = visitor(request)
    if bare is None:
        shown = page(request, "error", status_code=response.status_code, problem=problem, visitor=known)
    else:
        shown = page(request, bare, status_code=response.status_code, visitor=None, **_addressed(request))
        shown.headers["Content-Security-Policy"] = BARE_POLICY
    shown.headers["Vary"] = "Accept"
    for name in ("Allow", "Retry-After"):
        if name in response.headers:
            shown.headers[name] = response.headers[name]
    return shown


def _bare(request: Request, error: Exception) -> str | None:
    """The page for those whom the edge keeps out; None for others."""
    if isinstance(error, MisdirectedRequest):
        return "misdirected"
    known = found(request)
    if isinstance(error, Forbidden) and request.method in SAFE_METHODS and known and not known.is_open:
        return "closed"
    return None


def _addressed(request: Request) -> dict[str, Any]:
    """By what name the server was called, and whether a proxy did it."""
    host = (request.url.hostname or "")[:100]
    named = any(name.startswith(PASSED_ON) for name in request.headers)
    passed_on = named or request.scope.get("passed_on") is not None
    return {"style": Markup(STYLE), "host": host, "is_name": _is_name(host), "passed_on": passed_on}  # noqa: S704


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host not in ("", "localhost")
    return False


def _path(request: Request) -> str:
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    return path + (f"?{request.url.query}" if request.url.query else "")


def _navigates(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _for_a_person(request: Request) -> bool:
    """Whether this is one of our pages, or a browser's navigation: it accepts HTML and names no JSON."""
    accept = request.headers.get("accept", "")
    navigates = "text/html" in accept and "json" not in accept
    if request.method not in ("GET", "HEAD"):
        return navigates and request.headers.get("content-type", "").startswith(FORM)
    ours = getattr(request.scope.get("endpoint"), "__module__", "").startswith("app.web.")
    return ours or navigates

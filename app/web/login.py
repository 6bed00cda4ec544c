"""Logging in and out, and the link by which an invited person sets a password. Forms that need no script."""

import re
import time
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import ServiceDependency
from app.api.edge.callers import COOKIE, presented
from app.api.edge.manners import Manner, served
from app.api.edge.places import turn, writers_place
from app.api.edge.rules import PUBLIC, VIEWER
from app.api.token import check_password
from app.errors import AppError, Invalid, NotFound, TooManyRequests, Unauthorized
from app.people import passwords, tokens
from app.repository import sessions, users
from app.repository.accounts import Account
from app.service import Service
from app.user import Caller
from app.web.shell import page

MOST_FIELDS = 10
_LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*")
"""A path of this server: a browser reads `//name` and `/\\name` as another server, and drops tabs."""

router = APIRouter(include_in_schema=False)


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form (application/x-www-form-urlencoded). Raises `Invalid` for too many."""
    try:
        text = (await request.body()).decode("utf-8", "replace")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise Invalid(f"The form has more than {MOST_FIELDS} fields. Open the page again.") from None


Fields = Annotated[dict[str, str], Depends(_fields)]


@router.get("/login", dependencies=[PUBLIC])
def login(request: Request, next: str = "/") -> Response:
    """The form; for a caller who needs none, the page that they came for."""
    if request.scope["caller"] is not None:
        return _go_to(next)
    return _form(request, "login", next=next)


@router.post("/login", dependencies=[PUBLIC])
@served(Manner.LOGS_IN)
async def log_in(request: Request, fields: Fields, service: ServiceDependency) -> Response:
    """Begin a session. A refusal is the form again, with what was wrong."""
    name, password, after = fields.get("name", ""), fields.get("password", ""), fields.get("next", "/")
    if not request.scope["door_is_open"]:
        return _go_to(after)
    try:
        account = await check_password(service, request, name, password)
        return await _begin(request, service, account, after)
    except (Unauthorized, TooManyRequests) as error:
        return _form(request, "login", error, next=after, name=name[:200])


@router.post("/logout", dependencies=[VIEWER], status_code=204)
def log_out(request: Request, service: ServiceDependency) -> Response:
    """End the session that the cookie is of."""
    caller: Caller = request.scope["caller"]
    if caller.session is not None:
        service.logins.end_session(caller.session)
    response = Response(status_code=204)
    _set_cookie(request, response, "", 0)
    return response


@router.post("/session", dependencies=[VIEWER], status_code=204)
def extend_session(request: Request, service: ServiceDependency) -> Response:
    """Keep the session of the cookie for as long as a new one."""
    caller: Caller = request.scope["caller"]
    response = Response(status_code=204)
    if caller.by_cookie and caller.session is not None:
        expires_at = service.logins.extend_session(caller.session)
        _set_cookie(request, response, presented(request.scope).text, expires_at)
    return response


@router.get("/invite/{token}", dependencies=[PUBLIC])
def invitation(request: Request, token: str, service: ServiceDependency) -> Response:
    """The form in which an invited person sets a password."""
    name = _invited(service, token)
    if name is None:
        return _form(request, "invitation-over", NotFound(""))
    return _form(request, "invitation", name=name)


@router.post("/invite/{token}", dependencies=[PUBLIC])
@served(Manner.LOGS_IN)
async def accept_invitation(
    request: Request, token: str, fields: Fields, service: ServiceDependency
) -> Response:
    """Set the password, and log the person in."""
    async with writers_place(request):
        name = await run_in_threadpool(_invited, service, token)
    try:
        account = await _set_password(request, service, token, fields)
    except NotFound as error:
        return _form(request, "invitation-over", error)
    except (Invalid, TooManyRequests) as error:
        return _form(request, "invitation", error, name=name)
    if not request.scope["door_is_open"]:
        return _go_to("/")
    return await _begin(request, service, account, "/")


async def _set_password(request: Request, service: Service, token: str, fields: dict[str, str]) -> Account:
    """Raises `NotFound`, `Invalid`, `TooManyRequests`."""
    password = fields.get("password", "")
    if password != fields.get("again", ""):
        raise Invalid("The two passwords differ. Type the same one into both fields.")
    async with turn(request):
        return await run_in_threadpool(service.logins.set_password_by_invitation, token, password)


def _invited(service: Service, token: str) -> str | None:
    """The name of the person whom the link is for; None if it does not work any more."""
    with service.database.read() as connection:
        user_id = sessions.invited(connection, tokens.digest(token), now=time.time())
        return None if user_id is None else users.name_of(connection, user_id)


async def _begin(request: Request, service: Service, account: Account, after: str) -> Response:
    """A new session in place of the one that this browser had."""
    before: Caller | None = request.scope["caller"]

    def begin() -> tuple[str, float]:
        begun = service.logins.begin_page_session(account)
        if before is not None and before.by_cookie and before.session is not None:
            service.logins.end_session(before.session)
        return begun

    async with writers_place(request):
        cookie, expires_at = await run_in_threadpool(begin)
    response = _go_to(after)
    _set_cookie(request, response, cookie, expires_at)
    return response


def _set_cookie(request: Request, response: Response, text: str, expires_at: float) -> None:
    """Have the browser keep a session until it ends: no script reads it, no page of another site sends it."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        f"__Host-{COOKIE}" if secure else COOKIE,
        text,
        max_age=max(0, int(expires_at - time.time())),
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def _form(request: Request, template: str, error: AppError | None = None, **context: str | None) -> Response:
    """A page with a form. With the policy `no-referrer` a browser would send it without its origin."""
    context |= {"problem": error.detail if error else "", "shortest": str(passwords.SHORTEST)}
    if "next" in context:
        context["next"] = local(context["next"] or "/")
    status = error.status if error else 200
    if isinstance(error, Unauthorized):  # a 401 would ask for a header, which no form sends
        status = Invalid.status
    response = page(request, template, status_code=status, **context, visitor=None)
    response.headers["Referrer-Policy"] = "same-origin"
    if error and "Retry-After" in error.headers:
        response.headers["Retry-After"] = error.headers["Retry-After"]
    return response


def _go_to(after: str) -> Response:
    return RedirectResponse(local(after), status_code=303)


def local(path: str) -> str:
    """The path if it leads to a page of this server, else that of the first page."""
    is_login = path.partition("?")[0] in ("/login", "/logout")
    return path if _LOCAL.fullmatch(path) and not is_login else "/"

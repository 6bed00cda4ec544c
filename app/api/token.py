"""Tokens over HTTP: for a name and a password, for a refresh token, and their end (RFC 6749, RFC 7009)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Form, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from app.api.answers import refusals, sends
from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.places import turn, writers_place
from app.api.edge.rules import PUBLIC
from app.errors import AppError, BadRequest, Conflict, Unauthorized
from app.people.door import Credential
from app.people.logins import Tokens
from app.repository.accounts import Account
from app.service import Service

router = APIRouter(prefix="/token", tags=["token"])

NO_STORE = {"Cache-Control": "no-store"}
Result = TypeVar("Result")


class TokenForm(BaseModel):
    """`grant_type`: password (also without one) or refresh_token. A client needs no id of its own."""

    grant_type: str | None = None
    username: str | None = None
    password: str | None = None
    refresh_token: str | None = None


class RevocationForm(BaseModel):
    """`token`: a refresh token or an access token."""

    token: str | None = None
    token_type_hint: str | None = None


class TokenAnswer(BaseModel):
    """`expires_in`: seconds that the access token is valid; a refresh token is good for one use."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class _Refusal(AppError):
    """An error with its code by RFC 6749, section 5.2, beside the problem details."""

    def __init__(self, cause: AppError, code: str) -> None:
        super().__init__(cause.detail, errors=cause.errors, headers=cause.headers | NO_STORE)
        self.status, self.type, self.title, self._code = cause.status, cause.type, cause.title, code

    def problem(self) -> dict[str, Any]:
        return super().problem() | {"error": self._code}


@router.post(
    "",
    dependencies=[PUBLIC],
    response_model=TokenAnswer,
    responses=sends("Cache-Control")
    | refusals(
        Unauthorized="Name and password do not fit, or the refresh token is not valid (`invalid_grant`)",
        Conflict="No accounts are in use, so nobody can log in",
    ),
)
@served(Manner.LOGS_IN)
async def issue_tokens(
    form: Annotated[TokenForm, Form()], service: ServiceDependency, request: Request, response: Response
) -> Any:
    """Log in with a name and a password, or go on with a refresh token.

    A refresh token that is used twice ends its login: it was stolen, or its successor was.
    """
    await _require_open_door(service, request)
    try:
        given = await _tokens(form, service, request)
    except Unauthorized as error:
        raise _Refusal(error, "invalid_grant") from None
    response.headers.update(NO_STORE)
    return TokenAnswer(
        access_token=given.access,
        token_type="bearer",  # noqa: S106
        expires_in=given.expires_in,
        refresh_token=given.refresh,
    )


async def _tokens(form: TokenForm, service: Service, request: Request) -> Tokens:
    if form.grant_type in (None, "password"):
        name, password = _given(form, "username"), _given(form, "password")
        account = await check_password(service, request, name, password)
        return await _in(writers_place(request), partial(service.logins.begin, account))
    if form.grant_type == "refresh_token":
        text = _given(form, "refresh_token")
        return await _in(writers_place(request), partial(service.logins.refresh, text))
    problem = BadRequest("Set grant_type to password or refresh_token.")
    raise _Refusal(problem, "unsupported_grant_type")


async def check_password(service: Service, request: Request, name: str, password: str) -> Account:
    """The account of that name, for an endpoint that logs in. Raises `Unauthorized`, `TooManyRequests`."""
    address = request.client.host if request.client else ""
    await run_in_threadpool(service.logins.admit, name, password, address)
    return await _in(turn(request), partial(service.logins.verify, name, password, address))


async def _in(place: AbstractAsyncContextManager[None], work: Callable[[], Result]) -> Result:
    async with place:
        return await run_in_threadpool(work)


async def _require_open_door(service: Service, request: Request) -> None:
    """Raises `Conflict` while the door is closed."""

    def is_open() -> bool:
        with service.database.read() as connection:
            return service.door.find(connection, Credential()).is_open

    if not request.scope["door_is_open"] and not await _in(writers_place(request), is_open):
        raise Conflict(
            "No accounts are in use here: every request from this machine is let in without a token. "
            "`matinee user add NAME --role admin`, on this machine, makes the first account."
        )


def _given(form: BaseModel, field: str) -> str:
    text: str | None = getattr(form, field)
    if text is None:
        problem = BadRequest(f"{field} is missing. Send a form (application/x-www-form-urlencoded).")
        raise _Refusal(problem, "invalid_request")
    return text


@router.post("/revoke", dependencies=[PUBLIC], response_class=Response, responses=sends("Cache-Control"))
def revoke_token(form: Annotated[RevocationForm, Form()], service: ServiceDependency) -> Response:
    """End the login that a token is of. A token that is not known, or ended already, is no error."""
    try:
        service.logins.revoke(_given(form, "token"))
    except BadRequest as error:
        code = "invalid_request" if form.token is None else "unsupported_token_type"
        raise _Refusal(error, code) from None
    return Response(headers=NO_STORE)

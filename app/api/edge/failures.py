"""The last resort: whatever fails in a layer or an endpoint is answered with a problem, and logged once."""

import logging

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem_response
from app.errors import AppError

log = logging.getLogger("matinee.api")


class Failures:
    """Stands inside the layers that add headers, so that the answer to a failure has them too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_see(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        except Exception as error:
            error = _single(error)
            if isinstance(error, ClientDisconnect):
                log.debug("%s %s: the client hung up", scope["method"], scope["path"])
            elif started:  # the server sees that the answer is not complete, and closes the connection
                trace = None if isinstance(error, AppError) else error
                log.error("%s failed in its answer: %s", _named(scope), error, exc_info=trace)
            else:
                await _answer(error, scope, receive, send)


async def _answer(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    if isinstance(error, AppError):
        response = problem_response(error, scope["request_id"])
    else:
        handler = scope["app"].exception_handlers[Exception]
        response = await handler(Request(scope), error)
    await response(scope, receive, send)


def _single(error: Exception) -> Exception:
    """The one exception in what a group of tasks raises."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _named(scope: Scope) -> str:
    return f"{scope['method']} {scope['path']} (request {scope['request_id']})"

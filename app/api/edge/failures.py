"""Every failure of a layer or an endpoint becomes a problem response, and is logged once.

A fault of the environment is a 503 or 507 and one line in the log; a fault of the program logs its traceback.
"""

import logging

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import named
from app.errors import AppError
from app.storage.failures import failure, trace

log = logging.getLogger("matinee.api")


class Failures:
    """Stands inside the layers that add headers, so that problem responses have them too."""

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
                log.info("%s: the client hung up", named(scope))
            elif started:  # the server sees an incomplete response and closes the connection
                cause = error if isinstance(error, AppError) else f"\n{trace(error)}"
                log.error("%s failed while its response was sent: %s", named(scope), cause)
            else:
                response = await scope["app"].exception_handlers[AppError](Request(scope), _problem(error))
                await response(scope, receive, send)


def _problem(error: Exception) -> AppError:
    """The problem that the caller sees; its cause is for the log."""
    if isinstance(error, AppError):
        return error
    problem = failure(error) or AppError("The service failed. Its log has the reason under this request id.")
    problem.__cause__ = error
    return problem


def _single(error: Exception) -> Exception:
    """The only exception in a group, as a task group raises it."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error

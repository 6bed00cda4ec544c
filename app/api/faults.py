"""What no endpoint handled. A fault of the surroundings is a 503 or 507 and one line in the log."""

import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import named, problem_response
from app.errors import AppError
from app.storage.failures import explain, failure, trace

log = logging.getLogger("matinee.api")


class Faults:
    """Pure ASGI middleware within the guard: its responses carry the guard's headers and are counted."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except AppError:
            raise
        except ClientDisconnect:
            log.info("%s: the caller hung up", named(scope))
        except Exception as error:
            problem = _problem(scope, error)
            if not begun:
                await problem_response(problem, scope.get("request_id"))(scope, receive, send)


def _problem(scope: Scope, error: Exception) -> AppError:
    """The problem for the caller; the log has the cause."""
    if (problem := failure(error)) is None:
        log.error("%s failed\n%s", named(scope), trace(error))
        return AppError("Something went wrong here. The log has more under this request id.")
    if problem.status >= 500:
        log.error("%s: %d %s (%s)", named(scope), problem.status, problem.detail, explain(error))
    return problem

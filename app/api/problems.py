"""Every error becomes a problem details response (RFC 9457)."""

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from app.api.discretion import hidden
from app.api.edge.manners import SAFE_METHODS
from app.errors import AppError, Invalid, MethodNotAllowed, NotFound, problem_types
from app.measures import REFUSALS
from app.repository.movies import Merged
from app.storage.failures import Collision, explain, failure, trace

MEDIA_TYPE = "application/problem+json"

log = logging.getLogger("matinee.api")


def install(app: FastAPI) -> None:
    """Turn every exception into problem details."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(Merged, _merged)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)


def _response(request: Request, error: AppError) -> JSONResponse:
    request_id = request.scope.get("request_id")
    request.app.state.service.measures.count(REFUSALS, error.type)
    content = error.problem() | ({"request_id": request_id} if request_id else {})
    headers = error.headers | {"Link": f'<{help_for(error, request.scope)}>; rel="help"'}
    return JSONResponse(content, status_code=error.status, headers=headers, media_type=MEDIA_TYPE)


def help_for(error: AppError, scope: Scope) -> str:
    """Where cause and remedy of the type are described (`app.web.pages`)."""
    return f"{scope.get('root_path', '')}/docs/problems#{error.type}"


async def _app_error(request: Request, error: Any) -> Response:
    if isinstance(error, Collision) and (tries := request.scope.get("tries")) and tries.is_tried_again():
        return Response()  # of a try that is not answered (`edge.collisions`)
    if error.status >= 500:
        log.error("%s: %d %s%s", named(request.scope), error.status, error.detail, _cause(error))
    return _response(request, error)


async def _merged(request: Request, error: Any) -> Response:
    """Lead a read of a merged movie to what it is now, and refuse a change of it with that id."""
    path, ids = request.scope["route"].path, request.path_params
    if request.method not in SAFE_METHODS or ids.keys() != {"movie_id"}:
        return await _app_error(request, error)
    query = f"?{request.url.query}" if request.url.query else ""
    location = path.format(movie_id=error.into) + query
    return Response(status_code=308, headers={"Location": location, "Cache-Control": "no-cache"})


def _cause(error: AppError) -> str:
    """One line for a fault of the environment (disk, database), the traceback for one of the program."""
    cause = error.__cause__
    if cause is None:
        return ""
    return f"\n{trace(cause)}" if failure(cause) is None else f" ({explain(cause)})"


async def _validation_error(request: Request, error: Any) -> JSONResponse:
    errors = [_item(e) for e in error.errors()]
    summary = "; ".join(f"{_place(item)}: {item['detail']}" for item in errors[:3])
    return _response(request, Invalid(f"The request does not fit: {summary}", errors=errors))


def _item(error: dict[str, Any]) -> dict[str, Any]:
    """One fault: with a pointer into the body, or the name of a parameter and the index in it."""
    where, *path = error["loc"] or ("body",)
    if where == "body":
        if error["type"] == "json_invalid":
            return {"detail": f"not JSON: {error['ctx']['error']}", "pointer": "#"}
        return {"detail": error["msg"], "pointer": _pointer(path)}
    item: dict[str, Any] = {"detail": error["msg"], "parameter": str(path[0]) if path else str(where)}
    if len(path) > 1 and isinstance(path[1], int):
        item["index"] = path[1]
    return item


def _place(item: dict[str, Any]) -> str:
    index = f"[{item['index']}]" if "index" in item else ""
    return f"{item.get('pointer') or item['parameter']}{index}"


def _pointer(path: Sequence[Any]) -> str:
    """A JSON pointer as a URI fragment (RFC 6901, section 6)."""
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


async def _http_exception(request: Request, error: Any) -> JSONResponse:
    path = hidden(request.url.path)
    if error.status_code == 404:
        problem: AppError = NotFound(f"There is nothing at {path}. The API is described at /openapi.json.")
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        problem = MethodNotAllowed(f"{request.method} is not possible at {path}; use {allowed}.")
    else:
        kinds = (kind for kind in problem_types() if kind.status == error.status_code)
        problem = next(kinds, AppError)(str(error.detail))
    problem.headers |= dict(error.headers or {})
    return _response(request, problem)


def named(scope: Scope) -> str:
    """The name of a request in the log."""
    return f"request {scope.get('request_id')} {scope['method']} {hidden(scope['path'])}"

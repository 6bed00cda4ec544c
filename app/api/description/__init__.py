"""The description of the API (OpenAPI): made at first use, from the routes and the edge."""

import json
import threading
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from app.api.description.document import Document, server
from app.api.edge.rules import VIEWER

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", dependencies=[VIEWER])
def openapi(request: Request) -> Response:
    described: dict[str, Any] = request.app.openapi()
    root = request.scope.get("root_path", "")
    if root:
        described = described | {"servers": [server(root)]}
    return Response(json.dumps(described, ensure_ascii=False), media_type="application/json")


def install(app: FastAPI) -> None:
    """Let the application describe itself: once, when it is first asked."""
    lock = threading.Lock()

    def describe() -> dict[str, Any]:
        with lock:
            if app.openapi_schema is None:
                app.openapi_schema = Document(app).make()
            return app.openapi_schema

    _name_operations(app.routes)
    app.openapi = describe  # type: ignore[method-assign]


def _name_operations(routes: Iterable[BaseRoute]) -> None:
    """Call every operation as its function, unless its route says otherwise."""
    for route in routes:
        if isinstance(route, APIRoute):
            route.operation_id = route.operation_id or route.name

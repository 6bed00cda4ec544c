"""The description of the API (OpenAPI)."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from app.api.edge.rules import VIEWER

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", dependencies=[VIEWER])
async def openapi(request: Request) -> dict[str, Any]:
    described: dict[str, Any] = request.app.openapi()
    root = request.scope.get("root_path", "")
    return described | {"servers": [{"url": root}]} if root else described


def name_operations(routes: Iterable[BaseRoute]) -> None:
    """Call every operation as its function, unless its route says otherwise."""
    for route in routes:
        if isinstance(route, APIRoute):
            route.operation_id = route.operation_id or route.name

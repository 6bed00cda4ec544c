"""The description of the API (OpenAPI)."""

from typing import Any

from fastapi import APIRouter, Request

from app.api.edge.rules import VIEWER

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", dependencies=[VIEWER])
async def openapi(request: Request) -> dict[str, Any]:
    described: dict[str, Any] = request.app.openapi()
    root = request.scope.get("root_path", "")
    return described | {"servers": [{"url": root}]} if root else described

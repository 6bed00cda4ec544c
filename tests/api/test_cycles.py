"""A request leaves no reference cycle behind, which would stay until a full collection: those are rare."""

import asyncio
import gc
import json
from typing import Any

from fastapi import FastAPI
from starlette.types import Message

from app.config import Settings
from app.main import create_app

RATING = {"user_id": 5, "movie_id": 1, "score": 4}
REQUESTS = [
    ("GET", "/recommendations/5", None),
    ("GET", "/users/5/recommendations", None),
    ("GET", "/movies", None),
    ("GET", "/movies/1", None),
    ("GET", "/tasks", None),
    ("GET", "/", None),
    ("POST", "/ratings", RATING),
    ("POST", "/ratings", {"user_id": 0}),
]


async def ask(app: FastAPI, method: str, path: str, given: Any) -> int:
    """The status of a request that nothing but the application holds."""
    body = json.dumps(given).encode() if given else b""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    headers += [(b"content-length", str(len(body)).encode())] if given else []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
        "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2), "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": headers,
    }  # fmt: skip
    statuses = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await asyncio.create_task(app(scope, receive, send))
    return int(statuses[0])


def test_requests_are_freed_at_their_end(settings: Settings) -> None:
    app = create_app(settings)

    async def leave(method: str, path: str, given: Any) -> list[str]:
        await ask(app, method, path, given)
        gc.collect()
        gc.disable()
        try:
            assert await ask(app, method, path, given) < 500
            await asyncio.sleep(0)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            scopes = (one for one in gc.garbage if isinstance(one, dict) and one.get("type") == "http")
            return [f"{scope['method']} {scope['path']}" for scope in scopes]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    async def leave_all() -> list[str]:
        return [text for request in REQUESTS for text in await leave(*request)]

    try:
        assert asyncio.run(leave_all()) == []
    finally:
        app.state.service.close()

"""Requests that change something or start a task happen once for each idempotency key.

As in draft-ietf-httpapi-idempotency-key-header-07: the first response is stored in the transaction of the
change. A repetition gets it again, with `Idempotent-Replayed: true`, and changes nothing.
"""

import functools
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel, TypeAdapter
from sqlalchemy.engine import Connection

from app.api.changes import note
from app.api.dependencies import ServiceDependency
from app.api.edge.direct import written_briefly
from app.errors import BadRequest, Conflict, Unavailable
from app.repository import keys
from app.repository.keys import Answer, Key
from app.service import Service
from app.task import Task

MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a change: `value` is in the form of the endpoint's `response_model`."""

    value: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    task_id: str | None = None  # the task that it started: the key is kept as long as the task
    target: str = ""  # in the audit; default: Location, or the path
    audited: bool = True  # False: a person's own rating
    shown_once: str = ""  # the value is a secret that is not kept: what a repetition is refused with


def accepted(task: Task, location: str) -> Reply:
    """The response to a request that queued a task."""
    headers = {"Location": location, "Retry-After": "1"}
    return Reply({"task_id": task.id, "status": "queued"}, 202, headers, task.id)


class Once:
    """Runs the change of one request: at most once for each key, caller, method and path.

    Only a success is stored: a change that raises is rolled back with its key, which may be used again.
    """

    def __init__(self, request: Request, response: Response, service: Service, key: str | None) -> None:
        self._request, self._response, self._service = request, response, service
        self._key = key
        self._scope = f"{request.scope['caller'].scope} {request.method} {request.url.path}".strip()

    @property
    def name(self) -> str:
        """The key with its scope, unique within the service; empty without a key."""
        return f"{self._scope} {self._key}" if self._key else ""

    def __call__(self, payload: BaseModel | str, change: Callable[[Connection], Reply]) -> Any:
        """Run `change` in a write transaction and return its response, or the one stored under the key.

        Raises `Invalid` if the key was used with another payload, and whatever `change` raises.
        """
        work = self._work(payload, change)
        with self._service.database.write() as connection:
            found = work(connection)
        return self._given(found)

    async def briefly(self, payload: BaseModel | str, change: Callable[[Connection], Reply]) -> Any:
        """As a call, for a change of a few statements (`written_briefly`)."""
        return self._given(await written_briefly(self._service.database, self._work(payload, change)))

    def _work(
        self, payload: BaseModel | str, change: Callable[[Connection], Reply]
    ) -> Callable[[Connection], Reply | Response]:
        if self._key is None:
            return partial(self._changed, change=change)
        key = self._keyed(payload)

        def work(connection: Connection) -> Response:
            if not keys.claim(connection, key, now=time.time()):
                return _replayed(keys.find(connection, key))
            reply = self._changed(connection, change)
            answer = Answer(reply.status, reply.headers, self._body(reply.value), reply.task_id)
            keys.keep(connection, key, _kept(reply) or answer)
            return _response(answer)

        return work

    def _given(self, found: Reply | Response) -> Any:
        if isinstance(found, Response):
            return found
        self._response.status_code = found.status
        self._response.headers.update(found.headers)
        return found.value

    def _changed(self, connection: Connection, change: Callable[[Connection], Reply]) -> Reply:
        reply = change(connection)
        if reply.audited:
            note(connection, self._request, reply.target or reply.headers.get("Location", ""))
        return reply

    def known(self, payload: BaseModel | str) -> Response | None:
        """The response stored under the key, if any: for a change that is costly to prepare."""
        if self._key is None:
            return None
        with self._service.database.read() as connection:
            answer = keys.find(connection, self._keyed(payload))
        return _replayed(answer) if answer else None

    def _keyed(self, payload: BaseModel | str) -> Key:
        if isinstance(payload, BaseModel):
            payload = hashlib.sha256(payload.model_dump_json().encode()).hexdigest()
        return Key(self._scope, self._key or "", payload)

    def _body(self, value: Any) -> str:
        adapter = _adapter(self._request.scope["route"].response_model)
        return adapter.dump_json(adapter.validate_python(value)).decode()


@functools.cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


def _kept(reply: Reply) -> Answer | None:
    """What is kept of a reply that is a secret: the refusal of a repetition."""
    return Answer(Conflict.status, {}, json.dumps(reply.shown_once)) if reply.shown_once else None


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, media_type="application/json")


def _replayed(answer: Answer | None) -> Response:
    if answer is None:  # retention has deleted it since the claim failed
        raise Unavailable("The key has just expired. Repeat the request.", headers={"Retry-After": "1"})
    if answer.status == Conflict.status:
        raise Conflict(json.loads(answer.body))
    response = _response(answer)
    response.headers["Idempotent-Replayed"] = "true"
    return response


async def once(  # async: a sync one would run in a thread
    request: Request,
    response: Response,
    service: ServiceDependency,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="chosen by the caller: a repetition with the same key gets the first response again"
        ),
    ] = None,
) -> Once:
    text = idempotency_key if idempotency_key is not None else request.headers.get("x-task-id")
    return Once(request, response, service, None if text is None else _bare(text))


def _bare(text: str) -> str:
    """The key without the quotes of a structured field string (RFC 9651). Raises `BadRequest`."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    if not 0 < len(text) <= MAX_KEY_LENGTH or not (text.isascii() and text.isprintable()):
        raise BadRequest(f"Idempotency-Key has to be 1 to {MAX_KEY_LENGTH} printable ASCII characters.")
    return text


OnceDependency = Annotated[Once, Depends(once)]

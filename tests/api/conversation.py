"""A conversation with a service: calls of every operation, whose answers are the examples of the description.

    uv run python -m tests.api.conversation        # asks a new service and writes the file of examples

A call is a line in `CALLS`. "<name>" stands for what an earlier answer told (`keeps`). By itself each call
that takes an Idempotency-Key is repeated with it, and each answer with an ETag is asked for again with that.
"""

import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.api.description import examples
from app.config import Settings
from app.mark import Mark, Marked
from app.people import passwords
from app.repository import accounts, waiting
from app.repository.waiting import Waiting
from app.service import Service
from app.tasks.worker import run_next
from app.user import Role
from tests.api.call import PASSWORD, Call
from tests.api.calls import CALLS
from tests.house import House

SECRETS = ("access_token", "refresh_token", "key", "password", "token")
"""Fields whose values are shown by their start alone."""
ADDRESS = re.compile(r"(/(?:hook|list)/)([\w-]{20,})")
"""That of a hook or list: its second part is the secret."""
LONGEST = 1200
"""Letters of a text that are shown; a file goes on."""
WAITING: dict[str, dict[str, Any]] = {
    "The Toy Story": {"score": 4.0, "rated_at": 1_700_000_000, "candidates": ((1, "a title like it"),)},
    "A Film of Ours": {"marks": {Mark.WATCHED: Marked(True, 1_700_000_000)}},
}
"""What the rows of an import that wait for their movie say."""
MEASURED = ("seconds", "ms", "rate", "eta_seconds", "uptime_seconds", "p50", "p99", "at", "beat_age_seconds")
MEASURED_TOO = (
    "database_bytes",
    "models_bytes",
    "uploads_bytes",
    "by_status",
    "per_minute",
    "per_minute_p99",
)
TEXTS = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"), "<time>"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "<digest>"),
    (re.compile(r"matinee_[0-9a-f]+"), "<prefix>"),
    (re.compile(r'"(at|rate|eta_seconds)": ?[-+.\de]+'), r'"\1":"<measured>"'),
    (re.compile(r"in \d+ s\b"), "in <some> s"),
    (re.compile(r"event: progress\n.*?\n\n", re.DOTALL), ""),  # as many as there was time for
    (re.compile(r"\nid: \d+"), "\nid: <number>"),
)


@dataclass
class Conversation:
    """What was asked and answered. `headers`: names of headers that came, by operation and status."""

    house: House
    told: dict[str, Any] = field(default_factory=dict)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    headers: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    document: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._client = self.house.client()
        self._client.follow_redirects = False
        self.document = self.house.app.openapi()
        self._callers = dict[str, dict[str, str]]()
        people = {"Ada": Role.ADMIN, "Ben": Role.VIEWER, "Eve": Role.EDITOR}
        for name, role in people.items():
            user_id = self.told[name] = self.house.person(name, role)
            with self.house.service.database.write() as connection:
                accounts.set_password(connection, user_id, passwords.hashed(PASSWORD))
            self._callers[name] = self.house.token(user_id, f"session of {name}", seconds=600)
        rows = [
            Waiting(self.told["Ben"], title, title, 1995, reason="No movie has this title.", **more)
            for title, more in WAITING.items()
        ]
        with self.house.service.database.write() as connection:
            waiting.put(connection, self.told["Ben"], rows)

    def hold(self) -> None:
        for call in CALLS:
            if isinstance(call, Call):
                self._ask(call)
            else:
                self._run_tasks()

    def _run_tasks(self) -> None:
        service: Service = self.house.service
        while run_next(service.database, service.settings):
            pass

    def _ask(self, call: Call) -> None:
        operation = self.document["paths"][call.path][call.method.lower()]
        request = self._request(call)
        keyed = {"$ref": "#/components/parameters/Idempotency-Key"} in operation["parameters"]
        if keyed:
            request.headers["Idempotency-Key"] = f"example-{len(self.headers)}"
        answer = self._send(operation, request)
        while call.until is not None and answer.status_code != call.until:
            answer = self._send(operation, request)
        assert answer.status_code == call.status, (call, answer.status_code, answer.text)
        self._record(operation["operationId"], call, request, answer)
        for name, field_ in call.keeps.items():
            self.told[name] = _told(answer.json()[field_])
        if keyed and answer.is_success:
            again = self._send(operation, request)
            if not again.is_success:
                self._record(operation["operationId"], call, request, again)
        if answer.is_success and "304" in operation["responses"]:
            request.headers["If-None-Match"] = answer.headers["etag"]
            assert self._send(operation, request).status_code == 304, call

    def _request(self, call: Call) -> httpx.Request:
        headers = self._callers.get(call.caller, {}) | self._filled(call.headers)
        path = call.path.format(**self._filled(call.values))
        given: dict[str, Any] = {"headers": headers, "params": self._filled(call.query) or None}
        given |= {name: self._filled(value) for name, value in call.body.items()}
        request: httpx.Request = self._client.build_request(call.method, path, **given)
        return request

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if isinstance(value, str) and (found := re.fullmatch(r"<(\w+)>", value)):
            return self.told[found[1]]
        return value

    def _send(self, operation: dict[str, Any], request: httpx.Request) -> httpx.Response:
        answer: httpx.Response = self._client.send(request)
        answer.read()
        seen = self.headers.setdefault((operation["operationId"], str(answer.status_code)), set())
        seen.update(name.lower() for name in answer.headers)
        return answer

    def _record(self, operation_id: str, call: Call, request: httpx.Request, answer: httpx.Response) -> None:
        asked: dict[str, Any] = {"method": request.method, "path": request.url.raw_path.decode()}
        if (type_ := _type(request)) and type_ != "multipart/form-data":
            asked |= {"type": type_, "body": _body(type_, request.content)}
        came: dict[str, Any] = {"status": answer.status_code}
        if (type_ := _type(answer)) and answer.content:
            came |= {"type": type_, "body": _body(type_, answer.content)}
        made = self.examples.setdefault(operation_id, [])
        name = call.name if answer.status_code == call.status else f"{call.name}, again"
        made.append({"name": name, "request": hidden(asked), "response": hidden(came)})


def _type(message: httpx.Request | httpx.Response) -> str:
    return str(message.headers.get("content-type", "")).partition(";")[0]


def _body(type_: str, content: bytes) -> Any:
    if type_ == "application/json" or type_.endswith("+json"):
        return json.loads(content)
    if type_ == "application/x-www-form-urlencoded":
        return dict(httpx.QueryParams(content.decode()))
    return content.decode(errors="replace")


def _told(value: Any) -> Any:
    """The secret of an address, or of the first of several; else the value."""
    text = next(iter(value.values())) if isinstance(value, dict) else value
    found = ADDRESS.search(text) if isinstance(text, str) else None
    return found[2] if found else value


def hidden(value: Any, name: str = "") -> Any:
    """Without what is secret, and without the rest of what is long."""
    if isinstance(value, dict):
        return {key: hidden(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [hidden(one) for one in value]
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]}...".replace("\r", "")
    is_secret = (
        isinstance(value, str) and len(value) > 20 and (name in SECRETS or value.startswith("/invite/"))
    )
    if is_secret:
        return f"{value[:12]}..."
    return ADDRESS.sub(r"\1...", value) if isinstance(value, str) else value


def masked(value: Any, name: str = "") -> Any:
    """Without what differs from service to service: ids, times, digests, secrets, what was measured."""
    if name in MEASURED + MEASURED_TOO and value is not None:
        return "<measured>"
    if isinstance(value, str) and len(value) == 15 and value.endswith("..."):
        return "<secret>"
    if isinstance(value, dict):
        return {key: masked(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [masked(one) for one in value]
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, str):
        for pattern, mask in TEXTS:
            value = pattern.sub(mask, value)
    return value


def held(folder: Path) -> Conversation:
    """A conversation with a new service."""
    house = House(
        Settings(data_dir=folder, embedded_worker=False, limit_imports="15/minute", limit_writes="500/minute")
    )
    conversation = Conversation(house)
    try:
        conversation.hold()
    finally:
        house.service.close()
    return conversation


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = held(Path(folder)).examples
    text = json.dumps(dict(sorted(found.items())), indent=1, ensure_ascii=False)
    examples.FILE.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

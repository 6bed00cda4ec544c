"""The examples: what a server really answered to the calls of `tests/api/conversation.py`.

`examples.json` has, by operation, the body of a request and what came back, by status. It is recorded by
`uv run python -m tests.api.conversation`; a test asks all of it again.
"""

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FILE = Path(__file__).with_name("examples.json")


def recorded() -> dict[str, list[Json]]:
    """By operation: calls, each with `name`, `request` and `response`."""
    if not FILE.exists():
        return {}
    found: dict[str, list[Json]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def add(document: Json) -> None:
    """Put each where the document describes its request and its response."""
    calls = recorded()
    common = document["components"]["responses"]
    for item in document["paths"].values():
        for operation in item.values():
            for call in calls.get(operation["operationId"], ()):
                _add_response(operation["responses"], common, call)
                _add_request(operation, call)


def _add_response(responses: Json, common: Json, call: Json) -> None:
    response = responses.get(str(call["response"]["status"]))
    if response is None or "body" not in call["response"]:
        return
    if "$ref" in response:
        response = common[response["$ref"].rpartition("/")[2]]
        if any("examples" in content for content in response["content"].values()):
            return  # one of each is enough: they differ in the path alone
    content = response.get("content", {}).get(call["response"]["type"])
    if content is not None:
        _name(content, call["name"], call["response"]["body"])


def _add_request(operation: Json, call: Json) -> None:
    content = operation.get("requestBody", {}).get("content", {}).get(call["request"].get("type"))
    if content is not None and call["response"]["status"] < 300 and "body" in call["request"]:
        _name(content, call["name"], call["request"]["body"])


def _name(content: Json, name: str, value: Any) -> None:
    content.setdefault("examples", {})[name] = {"value": value}

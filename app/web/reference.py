"""The reference of the API at /docs: /openapi.json as sections for a template.

A type is a list of parts, each a text and the anchor of the type that it names, or None.
"""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from app.api.answers import PROBLEM

Json = dict[str, Any]
Type = list[tuple[str, str | None]]

PLACES = {
    "path": "In the path",
    "query": "In the query",
    "header": "In the header",
    "cookie": "In a cookie",
}
COMMON = frozenset(("X-Request-ID", "X-Request-Timeout", "Cache-Control"))
"""Headers of every request or response, which are described once."""
_CREDENTIALS = frozenset(("cookie",))
"""Places that no form of the page fills in."""


def sections(openapi: Json) -> list[Json]:
    """The tags in the order of the document, each with its `name`, `description` and `operations`."""
    found: dict[str, list[Json]] = defaultdict(list)
    texts = {tag["name"]: tag.get("description", "") for tag in openapi.get("tags", [])}
    found.update((name, []) for name in texts)
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            tag = operation.get("tags", ["other"])[0]
            found[tag].append(_operation(method.upper(), path, operation, openapi))
    return [
        {"name": name, "description": texts.get(name, ""), "operations": operations}
        for name, operations in found.items()
        if operations
    ]


def headers(openapi: Json) -> list[Json]:
    """What many operations take or send in the header: each with its name and meaning."""
    components = openapi.get("components", {})
    found = {
        name: described.get("description", "")
        for part in ("parameters", "headers")
        for name, described in components.get(part, {}).items()
    }
    return [{"name": name, "description": text} for name, text in sorted(found.items())]


def types(openapi: Json) -> list[Json]:
    """Every named type with its description, its fields, and what it is if it has none."""
    return [
        {
            "name": name,
            "description": schema.get("description", ""),
            "fields": list(_fields(schema)),
            "type": _type(schema),
        }
        for name, schema in sorted(openapi.get("components", {}).get("schemas", {}).items())
    ]


def _operation(method: str, path: str, operation: Json, openapi: Json) -> Json:
    parameters = [_parameter(one) for one in operation.get("parameters", []) if "$ref" not in one]
    request = _resolved(operation.get("requestBody", {}), openapi)
    bodies = [
        _content(kind, content) | {"fields": list(_fields(_resolved(content.get("schema", {}), openapi)))}
        for kind, content in request.get("content", {}).items()
    ]
    responses = [
        _response(status, response)
        for status, response in operation.get("responses", {}).items()
        if "$ref" not in response
    ]
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"],
        "places": {
            title: [one for one in parameters if one["in"] == place]
            for place, title in PLACES.items()
            if any(one["in"] == place for one in parameters)
        },
        "inputs": [one for one in parameters if one["in"] not in _CREDENTIALS],
        "bodies": bodies,
        "responses": responses,
        "headers": _uncommon(_name(one) for one in operation.get("parameters", []) if "$ref" in one),
        "refusals": [status for status, one in operation.get("responses", {}).items() if "$ref" in one],
        "streams": any(one["kind"] == "text/event-stream" for r in responses for one in r["bodies"]),
        "curl": _curl(method, path, bodies),
    }


def _uncommon(names: Iterable[str]) -> list[str]:
    return sorted(set(names) - COMMON)


def _name(reference: Json) -> str:
    """The last part of what is referred to."""
    return str(reference["$ref"]).rpartition("/")[2]


def _parameter(parameter: Json) -> Json:
    schema = parameter.get("schema", {})
    return {
        "name": parameter["name"],
        "in": parameter["in"],
        "required": parameter.get("required", False),
        "description": parameter.get("description") or schema.get("description", ""),
        "type": _type(schema),
        "choices": next(_choices(schema), None),
        "repeated": any(one.get("type") == "array" for one in (schema, *schema.get("anyOf", []))),
        "example": parameter.get("example", next(_examples(parameter), None)),
    }


def _choices(schema: Json) -> Iterator[list[str]]:
    """The values of an enumeration, as texts."""
    for one in (schema, *schema.get("anyOf", [])):
        if one.get("type") == "boolean":
            yield ["true", "false"]
        elif "enum" in one:
            yield [str(choice) for choice in one["enum"]]


def _content(kind: str, content: Json) -> Json:
    schema = content.get("schema", {})
    example = next(_examples(content), None)
    text = (
        example
        if isinstance(example, str) or example is None
        else json.dumps(example, indent=2, ensure_ascii=False)
    )
    return {"kind": kind, "type": _type(schema), "fields": list(_fields(schema)), "example": text}


def _examples(described: Json) -> Iterator[Any]:
    if "example" in described:
        yield described["example"]
    for one in described.get("examples", {}).values():
        yield one.get("value")


def _response(status: str, response: Json) -> Json:
    bodies = [_content(kind, content) for kind, content in response.get("content", {}).items()]
    return {
        "status": status,
        "description": response.get("description", ""),
        "headers": _uncommon(response.get("headers", {})),
        "bodies": bodies,
        "refuses": bool(bodies) and all(one["kind"] == PROBLEM for one in bodies),
    }


def _resolved(described: Json, openapi: Json) -> Json:
    """What a reference refers to: parameters, responses and headers may stand among the components."""
    if (address := described.get("$ref")) is None:
        return described
    found = openapi
    for part in address.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _fields(schema: Json) -> Iterator[Json]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield {
            "name": name,
            "type": _type(field),
            "required": name in required,
            "description": field.get("description", ""),
        }


def _type(schema: Json) -> Type:
    """A schema in a few words: "integer 0 to 5", "string or null", "list of Movie"."""
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _joined([_type(option) for option in options], " or ")
    if "$ref" in schema:
        return [(_name(schema), f"type-{_name(schema)}")]
    if choices := schema.get("enum"):
        return [(" | ".join(str(choice) for choice in choices), None)]
    if schema.get("type") == "array":
        return [("list of ", None), *_type(schema.get("items", {}))]
    return [(_plain(schema), None)]


def _joined(types: list[Type], between: str) -> Type:
    found: Type = []
    for one in types:
        if one not in ([part] for part in found):
            found += [(between, None)] if found else []
            found += one
    return found


def _plain(schema: Json) -> str:
    words = [str(schema.get("format") or schema.get("type") or "any")]
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is not None and high is not None and high < 2**53:
        words.append(f"{low:g} to {high:g}")
    if "maxLength" in schema:
        words.append(f"of up to {schema['maxLength']} characters")
    if schema.get("default") not in (None, ""):
        words.append(f"(default {schema['default']})")
    return " ".join(words)


def _curl(method: str, path: str, bodies: list[Json]) -> str:
    """A command that calls the operation; `{...}` is to be filled in, which the page's script does."""
    parts = ["curl", *(["-X", method] if method != "GET" else []), shlex.quote(f"HOST{path}")]
    if bodies:
        body = next((one for one in bodies if one["example"]), bodies[0])
        parts += ["-H", shlex.quote(f"Content-Type: {body['kind']}")]
        parts += ["-d", shlex.quote(body["example"])] if body["example"] else ["--data-binary", "@FILE"]
    return " ".join(parts)

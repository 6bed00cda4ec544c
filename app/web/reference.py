"""The reference of the API at /docs: /openapi.json as sections for a template."""

from collections import defaultdict
from typing import Any


def sections(openapi: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Operations by tag, each with its method, path, summary, description, parameters, body and responses."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            tag = operation.get("tags", ["other"])[0]
            found[tag].append(_operation(method, path, operation, openapi))
    return dict(found)


def _operation(method: str, path: str, operation: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    fields = [row for content in body.values() for row in _fields(content.get("schema", {}), openapi)]
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"],
        "parameters": [_parameter(parameter, openapi) for parameter in operation.get("parameters", [])],
        "body": [row for number, row in enumerate(fields) if row not in fields[:number]],
        "responses": [
            _response(status, response, openapi)
            for status, response in operation.get("responses", {}).items()
            if "$ref" not in response  # one that every operation of its kind may give
        ],
    }


def _parameter(parameter: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any]:
    if name := parameter.get("$ref", "").rpartition("/")[2]:
        parameter = openapi["components"]["parameters"][name]
    schema = parameter.get("schema", {})
    description = parameter.get("description") or schema.get("description", "")
    return parameter | {"type": _type(schema), "description": description}


def _response(status: str, response: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any]:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    fields = _fields(schema.get("items", schema), openapi)
    return {"status": status, "description": response.get("description", ""), "fields": fields}


def _fields(schema: dict[str, Any], openapi: dict[str, Any]) -> list[dict[str, Any]]:
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = openapi["components"]["schemas"][name]
    required = schema.get("required", [])
    return [
        {"name": name, "type": _type(field), "required": name in required}
        for name, field in schema.get("properties", {}).items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words: "integer 0 to 5", "string or null", "list of Movie"."""
    if options := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(_type(option) for option in options))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if choices := schema.get("enum"):
        return " | ".join(str(choice) for choice in choices)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = [str(schema.get("format") or schema.get("type") or "any")]
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and high < 2**53:
        words.append(f"{low:g} to {high:g}")
    if schema.get("default") not in (None, ""):
        words.append(f"(default {schema['default']})")
    return " ".join(words)

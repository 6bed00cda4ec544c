"""The typed client and the description: every operation has a method, which sends what is described."""

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import MatineeClient
from app.client_calls import NAMES, answers, states
from app.main import create_app

Json = dict[str, Any]
OWN = {"close", "wait"}
"""Methods that are no operation."""
VALUES = {int: 7, float: 4.5, str: "some", bool: True, Path | str: "saved"}


@pytest.fixture(scope="module")
def document() -> Json:
    return create_app().openapi()


@pytest.fixture(scope="module")
def operations(document: Json) -> dict[str, tuple[str, str, Json]]:
    """(method, path, operation) by id."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, method in inspect.getmembers(MatineeClient, inspect.isfunction):
        if not name.startswith("_") and name not in OWN:
            yield name, method


def test_every_operation_is_a_method_and_every_method_an_operation(operations: Json) -> None:
    named = {NAMES.get(name, name) for name, _ in methods()}
    assert named == operations.keys()
    assert NAMES.keys() <= {name for name, _ in methods()}


@pytest.mark.parametrize("name", [name for name, _ in methods()])
def test_a_method_sends_what_its_operation_takes(
    name: str, document: Json, operations: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved").write_text("user_id,movie_id,score\n", encoding="utf-8")
    verb, path, operation = operations[NAMES.get(name, name)]
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        sent.append(request)
        return httpx.Response(200, text=_answer(operation))

    with MatineeClient("http://matinee.test", transport=httpx.MockTransport(answer)) as client:
        method = getattr(client, name)
        result = method(**_arguments(method, operation))
        if inspect.isgenerator(result):
            assert list(result) == [("end", {"status": "complete"})]
    [request] = sent
    assert request.method == verb
    assert re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)), request.url.path), request.url.path
    assert set(request.url.params) <= _parameters(operation)
    if request.headers.get("content-type") == "application/json":
        fields = _fields(document, operation)
        assert fields is None or set(_json(request)) <= fields


def _arguments(method: Callable[..., Any], operation: Json) -> Json:
    """A value for each parameter that the operation has: those of a newer server may be left out."""
    found: Json = {}
    hints = typing.get_type_hints(method)
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.default is not inspect.Parameter.empty and name not in _parameters(operation):
            continue
        if typing.get_origin(hints[name]) is typing.Unpack:
            [wish] = typing.get_args(hints[name])
            found |= {key: _value(hint) for key, hint in typing.get_type_hints(wish).items()}
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found |= {"watched": True} if hints[name] is bool else {"title": "Heat", "year": None}
        elif "ratings" in name:
            found[name] = [{"movie_id": 1, "score": 4}]
        else:
            found[name] = _value(hints[name])
    return found


def _value(hint: Any) -> Any:
    if typing.get_origin(hint) is Sequence:
        return [1, 2]
    if typing.get_origin(hint) is Mapping:
        return {"Ann": 7}
    return VALUES.get(hint) or VALUES[typing.get_args(hint)[0]]


def _answer(operation: Json) -> str:
    content = next(one for status, one in operation["responses"].items() if status < "3").get("content", {})
    if "text/event-stream" in content:
        return 'event: end\ndata: {"status": "complete"}\n\n'
    schema = content.get("application/json", {}).get("schema", {})
    return "[]" if schema.get("type") == "array" else "{}"


def _parameters(operation: Json) -> set[str]:
    return {one["name"] for one in operation["parameters"] if one.get("in") == "query"}


def _json(request: httpx.Request) -> Json:
    import json

    body: Json = json.loads(request.content)
    return body


def _fields(document: Json, operation: Json) -> set[str] | None:
    """None: any."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    for part in (schema, *schema.get("anyOf", ())):
        if "$ref" in part:
            schema = document["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    return set(schema["properties"]) if "properties" in schema else None


def test_answers_have_the_fields_of_the_description(document: Json, operations: Json) -> None:
    """Of every method that promises a type."""
    schemas, seen = document["components"]["schemas"], 0
    for name, method in methods():
        kind = typing.get_type_hints(method).get("return")
        kind = (typing.get_args(kind) or (kind,))[0]
        if not typing.is_typeddict(kind):
            continue
        content = operations[NAMES.get(name, name)][2]["responses"]
        schema = next(one for status, one in content.items() if status < "3")["content"]["application/json"][
            "schema"
        ]
        schema = schema.get("items", schema)
        _compare(kind, schema.get("anyOf", [schema])[0], schemas, name)
        seen += 1
    assert seen > 40


def _compare(kind: Any, schema: Json, schemas: Json, where: str) -> None:
    """Field by field, also of what is nested."""
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    hints = typing.get_type_hints(kind)
    assert hints.keys() == schema["properties"].keys(), where
    for name, hint in hints.items():
        for inner in (hint, *typing.get_args(hint)):
            if typing.is_typeddict(inner):
                _compare(inner, _reference(schema["properties"][name]), schemas, f"{where}.{name}")


def _reference(schema: Json) -> Json:
    """That of a field, of its items or values, or of its first option."""
    options = [schema, schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    return next(one for one in options if isinstance(one, dict) and "$ref" in one)


def test_every_type_of_an_answer_is_promised_by_a_method() -> None:
    every = (kind for module in (answers, states) for kind in vars(module).values())
    kinds = {kind for kind in every if typing.is_typeddict(kind) and kind.__name__[0] != "_"}  # no bases
    used = set[Any]()

    def visit(hint: Any) -> None:
        if typing.is_typeddict(hint) and hint not in used:
            used.add(hint)
            for inner in typing.get_type_hints(hint).values():
                visit(inner)
        for inner in typing.get_args(hint):
            visit(inner)

    for _, method in methods():
        visit(typing.get_type_hints(method).get("return"))
    assert {kind.__name__ for kind in kinds - used} == set()

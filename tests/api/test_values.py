"""No value of a parameter is a fault of the server: path, query and body; PostgreSQL has a third of them."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app

TOO_LARGE = ("1e25", "9" * 25, str(2**63), "-1e25", "1e400", "9" * 5000)
STRANGE = ("\0", "a\0b", "\x85", "'", "%", "\U0010ffff")
EXTREME = (*TOO_LARGE, str(2**63 - 1), str(-(2**63)), "NaN", "Infinity", *STRANGE)
JSON_NUMBERS = (*TOO_LARGE[:-1], str(2**63 - 1), "1e-400", "NaN", "-Infinity")
JSON_TEXTS = (r'"\u0000"', r'"a\u0000b"', r'"\ud800"', '""', '"1"')
JSON_STRANGE = (*JSON_TEXTS, "true", "null", "[]", "{}", "[1e25]", "[true]")
JSON_EXTREME = JSON_NUMBERS + JSON_STRANGE
VALID: dict[str, Any] = {"title": "Film", "movie_id": 1, "user_id": 1, "score": 4, "ratings": []}


class Case(NamedTuple):
    """A request with one value out of the ordinary. `kind`: the type that the description declares for it."""

    method: str
    url: str
    body: str | None
    kind: str
    value: str


@pytest.fixture
def api(engine_settings: Settings) -> Iterator[TestClient]:
    app = create_app(engine_settings)
    yield TestClient(app, raise_server_exceptions=False)
    app.state.service.close()


def _kind(schema: dict[str, Any]) -> str:
    options = [schema, *schema.get("anyOf", ())]
    return next((option["type"] for option in options if option.get("type", "null") != "null"), "")


def _parameters(operation: dict[str, Any], where: str) -> list[tuple[str, str]]:
    found = (p for p in operation.get("parameters", ()) if p.get("in") == where)
    return [(p["name"], _kind(p["schema"])) for p in found]


def cases(description: dict[str, Any]) -> Iterator[Case]:
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            in_path, in_query = (_parameters(operation, where) for where in ("path", "query"))
            url = path.format(**{name: "1" for name, _ in in_path})
            body = _properties(description, operation)
            plain = json.dumps({name: VALID[name] for name in body if name in VALID}) if body else None
            for name, kind in in_path:
                for value in EXTREME:
                    strange = path.format(**{n: "1" for n, _ in in_path} | {name: quote(value, safe="")})
                    yield Case(method, strange, plain, kind, value)
            for name, kind in in_query:
                for value in EXTREME:
                    yield Case(method, f"{url}?{name}={quote(value, safe='')}", plain, kind, value)
            for name, kind in body.items():
                for value in JSON_EXTREME:
                    rest = {n: VALID[n] for n in body if n in VALID and n != name}
                    strange = json.dumps(rest | {name: "HERE"}).replace('"HERE"', value)
                    yield Case(method, url, strange, kind, value)


def _properties(description: dict[str, Any], operation: dict[str, Any]) -> dict[str, str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return {}
    if "$ref" not in content["schema"]:
        return {}
    schema = description["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]
    return {name: _kind(value) for name, value in schema.get("properties", {}).items()}


def test_no_value_is_a_fault_of_the_server(api: TestClient, engine_settings: Settings) -> None:
    wrong, count, step = [], 0, 4 if engine_settings.database_url else 2
    for case in islice(cases(api.get("/openapi.json").json()), 0, None, step):
        headers = {"Content-Type": "application/json"} if case.body else {}
        answer = api.request(case.method, case.url, content=case.body, headers=headers)
        count += 1
        out_of_range = case.kind in ("integer", "number") and case.value in (*TOO_LARGE, "true", '"1"', "NaN")
        if answer.status_code >= 500 or (out_of_range and answer.status_code != 422):
            wrong.append((answer.status_code, case))
    assert count > 500
    assert wrong == []


def test_what_a_body_names_beside_its_fields_may_be_anything(api: TestClient) -> None:
    body = '{"title": "Film", "\\ud800": 1, "\\u0000": 2}'
    answer = api.post("/movies", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize("value", [5, 5.0])
def test_a_whole_number_may_be_written_with_a_point(api: TestClient, value: float) -> None:
    assert api.post("/ratings", json={"movie_id": 1, "user_id": value, "score": 4}).status_code == 201


def test_any_name_of_a_file_is_taken(api: TestClient) -> None:
    for name in ("a\0b.csv", "a\nb.csv", "\x85.csv", "\U0010ffff.csv"):
        part = (
            f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
            "user_id,movie_id,score\n1,1,4\n\r\n--x--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = api.post("/imports", content=part.encode(), headers=headers)
        assert answer.status_code in (202, 422), answer.text

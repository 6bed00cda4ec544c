"""The description says what the service does: of every operation, from what its route is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.description import schemas
from app.main import create_app
from app.tasks.kinds import names

Json = dict[str, Any]
EVERYWHERE = {"400", "500"}


@pytest.fixture(scope="module")
def document() -> Json:
    return create_app().openapi()


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def operation(document: Json, operation_id: str) -> Json:
    return next(one for _, _, one in operations(document) if one["operationId"] == operation_id)


def resolved(document: Json, given: Json) -> Json:
    if "$ref" not in given:
        return given
    found: Any = document
    for part in given["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return]


def test_every_operation_says_what_it_does_and_who_may_call_it(document: Json) -> None:
    known, ids = {tag["name"] for tag in document["tags"]}, set()
    for method, path, one in operations(document):
        where = f"{method} {path}"
        ids.add(one["operationId"])
        assert one["summary"].lower().replace(" ", "_") != one["operationId"], f"{where} has no docstring"
        assert not one["summary"].endswith(".")
        assert "role" in one["description"] or "everybody" in one["description"]
        assert set(one["tags"]) <= known, f"the tag of {where} has no text in app/api/description/texts.py"
        assert one["security"] == [] or len(one["security"]) == 1 + len(
            document["components"]["securitySchemes"]
        )
    assert len(ids) == len(list(operations(document)))


def test_every_parameter_has_a_meaning(document: Json) -> None:
    lacking = [
        f"{method} {path}: {parameter['name']}"
        for method, path, one in operations(document)
        for parameter in (resolved(document, given) for given in one["parameters"])
        if not parameter.get("description")
    ]
    assert lacking == []


def test_every_refusal_is_problem_details_with_a_request_id(document: Json) -> None:
    for method, path, one in operations(document):
        assert one["responses"].keys() >= EVERYWHERE, f"{method} {path}"
        for status, given in one["responses"].items():
            response = resolved(document, given)
            assert response["description"], f"{method} {path} {status}"
            assert "X-Request-ID" in response["headers"]
            if status >= "4":
                assert "Link" in response["headers"]
                [(kind, content)] = response["content"].items()
                assert kind == "application/problem+json"
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_every_reference_leads_somewhere(document: Json) -> None:
    def references(value: Any) -> Iterator[Json]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value
            for one in value.values():
                yield from references(one)
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    assert all(resolved(document, one) is not None for one in references(document))


@pytest.mark.parametrize(
    ("operation_id", "lacks", "has"),
    [
        ("health", {"401", "403", "421", "503"}, {"406", "422"}),
        ("list_genres", {"404", "412"}, {"406", "422"}),
        ("replace_movie", {"409"}, {"406", "412", "422"}),
        ("delete_movie", {"406"}, {"409", "412"}),
        ("histogram", {"412"}, {"308", "404"}),
        ("issue_tokens", set(), {"401", "409", "413", "429"}),
        ("get_movie", {"408", "413"}, {"304", "401", "403", "404", "421", "422", "429", "503", "507"}),
        ("create_movie", {"404", "304", "412"}, {"201", "408", "409", "413", "422", "429"}),
        ("start_import", set(), {"202", "409", "413", "415", "422", "429"}),
        ("get_task", {"429"}, {"404", "503"}),
        ("take_message", {"401", "409"}, {"404", "408", "413", "422", "429"}),
        ("rss_list", {"401", "413"}, {"304", "404"}),
    ],
)
def test_what_a_route_refuses_follows_from_what_it_is(
    document: Json, operation_id: str, lacks: set[str], has: set[str]
) -> None:
    responses = operation(document, operation_id)["responses"].keys()
    assert has <= responses
    assert not lacks & responses


@pytest.mark.parametrize(
    ("operation_id", "status", "sent"),
    [
        (
            "start_import",
            "202",
            {"Location", "Retry-After", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy"},
        ),
        ("list_movies", "200", {"ETag", "Link", "Cache-Control"}),
        ("get_movie", "304", {"ETag"}),
        ("get_movie", "308", {"Location"}),
        ("change_movie", "200", {"ETag"}),
        ("create_movie", "201", {"ETag", "Location"}),
        ("get_task_result", "200", {"Content-Disposition", "Content-Encoding", "Vary"}),
        ("get_task", "200", {"Retry-After", "Preference-Applied"}),
        ("recommend", "200", {"X-Source", "X-Model-Version", "ETag"}),
        ("export_movies", "200", {"Content-Disposition"}),
        ("radarr_list", "200", {"ETag", "Cache-Control"}),
    ],
)
def test_headers_follow_from_what_a_route_is(
    document: Json, operation_id: str, status: str, sent: set[str]
) -> None:
    assert sent <= operation(document, operation_id)["responses"][status]["headers"].keys()


def test_an_import_takes_a_file_in_every_form(document: Json) -> None:
    body = operation(document, "start_import")["requestBody"]
    assert body["required"] is False
    assert {"multipart/form-data", "text/csv", "application/zip", "application/gzip"} <= body[
        "content"
    ].keys()
    taken = {resolved(document, one)["name"] for one in operation(document, "start_import")["parameters"]}
    assert {"Idempotency-Key", "X-Filename", "X-Request-Timeout", "user_id", "dry_run"} <= taken


def test_a_player_sends_its_message_by_itself_or_in_a_form(document: Json) -> None:
    one = operation(document, "take_message")
    assert {"application/json", "multipart/form-data"} == one["requestBody"]["content"].keys()
    fields = one["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"].keys()
    assert fields == {"payload", "data"}
    assert "X-Filename" not in {resolved(document, given)["name"] for given in one["parameters"]}


def test_events_have_schemas(document: Json) -> None:
    content = operation(document, "task_events")["responses"]["200"]["content"]["text/event-stream"]
    events = [event["properties"] for event in content["itemSchema"]["oneOf"]]
    assert [event["event"]["const"] for event in events] == ["status", "progress", "log", "end"]
    for event in events:
        schema = resolved(document, event["data"]["contentSchema"])
        assert schema["title"].lower() == f"{event['event']['const']}event"


def test_links_lead_to_operations_with_what_an_answer_has(document: Json) -> None:
    every = {one["operationId"]: one for _, _, one in operations(document)}
    found = 0
    for one in every.values():
        for response in (resolved(document, given) for given in one["responses"].values()):
            for link in response.get("links", {}).values():
                [(parameter, value)] = link["parameters"].items()
                given = (resolved(document, taken) for taken in every[link["operationId"]]["parameters"])
                assert parameter in {taken["name"] for taken in given if taken["in"] == "path"}
                schema = resolved(document, response["content"]["application/json"]["schema"])
                assert value.removeprefix("$response.body#/") in schema["properties"]
                found += 1
    assert found > 25
    started = operation(document, "start_import")["responses"]["202"]["links"]
    assert {"get_task", "import_status", "undo_import"} <= started.keys()


def test_every_kind_of_task_has_a_report(document: Json) -> None:
    assert set(names()) <= schemas.REPORTS.keys(), "app/api/description/schemas.py says what a result is"


def test_it_is_made_once_and_not_before_it_is_asked_for() -> None:
    app = create_app()
    assert app.openapi_schema is None
    client = TestClient(app)
    assert client.get("/openapi.json").json() == json.loads(json.dumps(app.openapi()))
    assert app.openapi() is app.openapi()
    assert len(client.get("/openapi.json").content) < 400_000

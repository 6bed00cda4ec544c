"""The document: FastAPI's, corrected and completed by what each route is (`traits`)."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.api.description import bodies, examples, headers, links, refusals, schemas, texts
from app.api.description.security import SCHEMES, security_of, who_may
from app.api.description.traits import Traits, traits_of

Json = dict[str, Any]

AUTOMATIC = "Successful Response"
"""What FastAPI says of a response that a route does not describe."""
UNSENT = ("HTTPValidationError", "ValidationError")
"""Schemas of answers that FastAPI would give; ours are problem details."""


def server(address: str) -> Json:
    return {"url": address, "description": "this service"}


class Document:
    """The description of one application."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def make(self) -> Json:
        app = self._app
        made = get_openapi(
            title=app.title,
            version=texts.VERSION,
            summary=app.summary,
            description=texts.ABOUT,
            routes=app.routes,
            tags=texts.TAGS,
            servers=[server("/")],
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        components = made.setdefault("components", {})
        for name in UNSENT:
            components["schemas"].pop(name, None)
        schemas.add(components["schemas"])
        components |= headers.components() | {
            "responses": refusals.components(),
            "securitySchemes": SCHEMES,
        }
        for route in app.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                for method in route.methods or ():
                    _complete(made["paths"][route.path_format][method.lower()], traits_of(route))
        examples.add(made)
        links.add(made)
        return made


def _complete(operation: Json, route: Traits) -> None:
    text = " ".join((operation.get("description") or operation["summary"]).split(" ")).strip()
    operation["summary"] = text.partition("\n")[0].partition(". ")[0].rstrip(".")
    operation["description"] = f"{text}\n\n{who_may(route.rule)}"
    operation["security"] = security_of(route.rule)
    _complete_parameters(operation, route)
    bodies.complete(operation)
    responses = operation["responses"]
    if _is_automatic(responses.get("422")):
        del responses["422"]
    if route.tagged:
        responses["304"] = {"description": "Not changed: the caller has the response of that ETag."}
    for status, response in responses.items():
        if response.get("description") in (AUTOMATIC, ""):
            response["description"] = texts.OF_STATUS[status]
        declared = response.get("headers", {})
        response["headers"] = headers.sent_by(route, status) | declared
        if "Cache-Control" in declared:  # a secret, which is shown once: a repetition is refused
            response["headers"].pop("Idempotent-Replayed", None)
    _refuse(responses, route)
    operation["responses"] = dict(sorted(responses.items()))


def _complete_parameters(operation: Json, route: Traits) -> None:
    """Headers become references; a value that may be left out is no null."""
    given = [one for one in operation.get("parameters", ()) if one["in"] != "header"]
    for one in given:
        options = [option for option in one["schema"].pop("anyOf", ()) if option.get("type") != "null"]
        if len(options) == 1:
            one["schema"] |= options[0]
        elif options:
            one["schema"]["anyOf"] = options
        one["schema"].pop("title", None)
        meaning = one["schema"].pop("description", None)
        if meaning:
            one.setdefault("description", meaning)
    operation["parameters"] = given + headers.taken_by(route)


def _is_automatic(response: Json | None) -> bool:
    return response is not None and "application/json" in response.get("content", {})


def _refuse(responses: Json, route: Traits) -> None:
    """Add what the route refuses by what it is. What it declares itself stays, with the headers."""
    for refusal in refusals.derived(route):
        status = str(refusal.error.status)
        declared = responses.get(status)
        if declared is None:
            responses[status] = {"$ref": f"#/components/responses/{refusal.name}"}
        else:
            declared["headers"] |= headers.references(*refusal.headers)
            if refusal.reason not in declared["description"] and route.once and status == "409":
                declared["description"] += f" {refusal.reason}"

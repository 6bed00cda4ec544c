"""What several endpoints answer: a movie, which looks the same wherever it is nested, and problem details."""

from collections.abc import Sequence
from typing import Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from app.errors import AppError
from app.movie import Movie

PROBLEM = "application/problem+json"


class MovieAnswer(BaseModel):
    """A movie. `genre`: its genres in one text, separated by "|"; `genres`: the same as a list."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    year: int | None
    genre: str | None
    genres: list[str]
    imdb_id: str | None
    tmdb_id: int | None
    rating_count: int
    mean_score: float | None


_FIELDS = tuple(MovieAnswer.model_fields)


def movie_fields(movie: Movie) -> dict[str, Any]:
    """As `MovieAnswer` has them."""
    return {name: getattr(movie, name) for name in _FIELDS}


class Fault(BaseModel):
    """One fault of a request. `pointer`: where in the body (RFC 6901), or else `parameter`: its name.

    `index`: the item of a parameter that is a list, from 0.
    """

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    index: int | None = None


class Problem(BaseModel):
    """Problem details (RFC 9457). `detail`: what happened, where, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None
    request_id: str | None = None


def refusals(**reasons: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that it alone can give: `refusals(NotFound="No such movie")`.

    Those that any route can give are added by `app.api.description`. Names are of `app.errors`.
    """
    kinds = {kind.__name__: kind for kind in AppError.__subclasses__()}
    found: dict[int | str, dict[str, Any]] = {}
    for name, reason in reasons.items():
        described = found.setdefault(kinds[name].status, {"description": "", "content": problem_content()})
        described["description"] = " ".join(filter(None, (described["description"], f"{reason}.")))
    return found


def problem_content() -> dict[str, Any]:
    return {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def sends(
    *headers: str, status: int = 200, media_types: Sequence[str] = (), model: type[BaseModel] | None = None
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that sends these headers, or a text of these types, with that status.

    Headers that follow from what a route is are added by `app.api.description`, which has their meanings.
    """
    found: dict[str, Any] = {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers}}
    if model:
        found["model"] = model
    if media_types:
        found["content"] = {media_type: {"schema": {"type": "string"}} for media_type in media_types}
    return {status: found}


def written(answer: Any, headers_of: Response) -> Response:
    """The response with an answer of plain values, and with the status and headers that are set so far."""
    status = headers_of.status_code or 200  # FastAPI's own has none
    response = Response(to_json(answer), status, media_type="application/json")
    response.raw_headers[:0] = headers_of.raw_headers
    return response

"""What several endpoints answer: a movie, which looks the same wherever it is nested, and problem details."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from app.errors import AppError

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


class Fault(BaseModel):
    """One fault of a request. `pointer`: where in the body (RFC 6901), or else `parameter`: its name."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


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
        described = found.setdefault(
            kinds[name].status, {"description": "", "content": {PROBLEM: {"schema": _REF}}}
        )
        described["description"] = " ".join(filter(None, (described["description"], f"{reason}.")))
    return found


_REF = {"$ref": "#/components/schemas/Problem"}

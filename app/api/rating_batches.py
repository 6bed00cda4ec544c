"""Many ratings in one request, written in one transaction."""

import hashlib
import json
import time
from collections import Counter
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.engine import Connection
from typing_extensions import TypedDict

from app.api.answers import refusals
from app.api.changes import is_own
from app.api.edge.rows import JSON, LINES, Fault, rows_of
from app.api.edge.rules import OWN_ROWS
from app.api.idempotency import OnceDependency, Reply
from app.api.ratings import RatingBody
from app.errors import Invalid
from app.rating import STEP, RatingColumns
from app.repository import rating_batches

router = APIRouter(tags=["ratings"])

MOST_RATINGS = 10_000
_RATING = TypeAdapter(RatingBody)
_ROW = {"$ref": "#/components/schemas/RatingBody"}
_ARRAY = {"type": "array", "items": _ROW, "minItems": 1, "maxItems": MOST_RATINGS}
_BODY = {"type": "object", "properties": {"ratings": _ARRAY}, "required": ["ratings"]}
_CONTENT = {kind: {"schema": _BODY | {"additionalProperties": False}} for kind in JSON}
_CONTENT |= {kind: {"schema": {"type": "string", "description": "a rating a line"}} for kind in LINES}


class RowResult(TypedDict):
    """`index`: which rating, from 0 (blank lines do not count); `detail`: why it is rejected."""

    index: int
    status: Literal["new", "replaced", "unchanged", "rejected"]
    detail: NotRequired[str]


class BatchResult(BaseModel):
    """How many ratings became what, and each of them in the order of the request."""

    new: int
    replaced: int
    unchanged: int
    rejected: int
    results: list[RowResult]


async def _rows(request: Request) -> list[Any]:
    rows = await rows_of(request)
    if not 0 < len(rows) <= MOST_RATINGS:
        raise Invalid(f"The body has {len(rows):,} ratings. Send 1 to {MOST_RATINGS:,} in one request.")
    return rows


@router.post(
    "/ratings/batch",
    dependencies=[OWN_ROWS],
    response_model=BatchResult,
    responses=refusals(
        Invalid="The body is no list of ratings, or `atomic` is given and one cannot be taken",
        UnsupportedMediaType="The body is neither JSON nor JSON lines",
    ),
    openapi_extra={"requestBody": {"required": True, "content": _CONTENT}},
)
def rate_movies(
    request: Request,
    rows: Annotated[list[Any], Depends(_rows)],
    once: OnceDependency,
    atomic: Annotated[bool, Query(description="all or nothing: 422 if one cannot be taken")] = False,
) -> Any:
    """Rate movies, up to 10,000 in one transaction, each as `POST /ratings` would, in this order.

    Good ratings are written and the others are named, unless `atomic` is given. A rating is of the time of
    the request, and replaces an earlier one. `unchanged`: the score was the same.
    """
    good, bad = _judged(rows)

    def put(connection: Connection) -> Reply:
        results = bad | _written(connection, good)
        if atomic and (refused := [place for place in results if results[place]["status"] == "rejected"]):
            raise _none_written(results, sorted(refused))
        ordered = [results[place] for place in sorted(results)]
        counted = Counter(result["status"] for result in ordered)
        users = {rating.user_id for rating in good.values()}
        target = f"/users/{min(users)}/ratings" if len(users) == 1 else "/ratings/batch"
        audited = not all(is_own(request, user_id) for user_id in users)
        body = {name: counted[name] for name in ("new", "replaced", "unchanged", "rejected")}
        return Reply(body | {"results": ordered}, target=target, audited=audited)

    return once(f"{atomic} {_digest(rows)}", put)


def _digest(rows: list[Any]) -> str:
    """The same for the same ratings, however they are written."""
    text = json.dumps(rows, sort_keys=True, default=lambda fault: [fault.reason])
    return hashlib.sha256(text.encode()).hexdigest()


def _judged(rows: list[Any]) -> tuple[dict[int, RatingBody], dict[int, RowResult]]:
    """The rows that are ratings, and the results of the others, by their places."""
    good, bad = {}, {}
    for place, row in enumerate(rows):
        try:
            good[place] = _RATING.validate_python(row)
        except ValidationError as error:
            bad[place] = _rejected(place, row.reason if isinstance(row, Fault) else _reason(error))
    return good, bad


def _reason(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(": ".join((*map(str, fault["loc"][:1]), fault["msg"])) for fault in faults[:3])[:200]


def _rejected(place: int, reason: str) -> RowResult:
    return {"index": place, "status": "rejected", "detail": reason}


def _written(connection: Connection, good: dict[int, RatingBody]) -> dict[int, RowResult]:
    """Write the ratings; returns the result of each by its place."""
    table = np.array([(r.user_id, r.movie_id, int(r.score / STEP)) for r in good.values()], np.int64)
    users, movies, scores = table.reshape(-1, 3).T
    now = np.full(len(good), int(time.time()), np.int64)
    before = rating_batches.put(connection, RatingColumns(users, movies, scores.astype(np.uint8), now))
    rows = zip(good, movies.tolist(), scores.tolist(), before.tolist(), strict=True)
    return {place: _result(place, movie_id, score, old) for place, movie_id, score, old in rows}


def _result(place: int, movie_id: int, score: int, before: int) -> RowResult:
    if before == rating_batches.UNKNOWN:
        return _rejected(place, f"There is no movie {movie_id}.")
    if not before:
        return {"index": place, "status": "new"}
    return {"index": place, "status": "unchanged" if before == score else "replaced"}


def _none_written(results: dict[int, RowResult], refused: list[int]) -> Invalid:
    detail = f"{len(refused):,} of {len(results):,} ratings cannot be taken, so none was written (atomic)."
    return Invalid(
        detail,
        errors=[{"detail": results[place]["detail"], "pointer": f"#/ratings/{place}"} for place in refused],
    )

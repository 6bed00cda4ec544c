"""Schemas of what endpoints send without a model: events, and the results of tasks, which their kinds make.

They describe: no answer is checked by them but in tests.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from app.api.answers import Problem
from app.backups.kinds import BACK_UP
from app.dumps.kinds import DUMP_RECOMMENDATIONS
from app.imports.kinds import IMPORT, UNDO
from app.imports.merges import MERGED_MOVIES
from app.people.kinds import MERGE
from app.serving.kinds import IMPORT_MODEL, REBUILD_MODEL
from app.tasks.kinds import names

Json = dict[str, Any]
STATUSES = Literal["queued", "running", "cancelling", "complete", "failed", "cancelled"]


class Reject(BaseModel):
    """A row that was not taken. `line` counts from 1, the header's; null: the file as a whole."""

    line: int | None
    column: str
    value: str
    reason: str


class ImportReport(BaseModel):
    """Of the rows `read`; the eight after it add up to it. `rejects`: the first of those `rejected`.

    `waiting`: rows whose movie is not there; `marks`: those that say something of a movie beside a score.
    `made`: movies that the rows made; `taken_over`: those made here that are imported ones now; `arrived`:
    rows that waited for a movie that has come.
    """

    format: str
    formats: list[str]
    left_out: list[str] = Field(description="files and rows that are no ratings, movies or links")
    assumed: list[dict[str, Any]] = Field(description="of each file how it was read: columns, scale, dates")
    read: int
    new: int
    replaced: int
    unchanged: int
    older: int
    duplicate: int
    waiting: int
    marks: int
    rejected: int
    made: int
    taken_over: int
    arrived: int
    rejects: list[Reject]
    dry_run: bool
    seconds: float


class UndoReport(BaseModel):
    """How many ratings, movies and links were deleted, put back, and kept since they were written later."""

    undo_of: str
    deleted: int
    restored: int
    kept: int
    rejects: list[Reject]


class MergeReport(BaseModel):
    """`left`: ratings that the person has still, since they came while it ran."""

    user_id: int
    from_id: int = Field(alias="from")
    moved: int
    replaced: int
    older: int
    left: int


class MovieMergeReport(BaseModel):
    """`replaced` and `older`: of two ratings of a user the newer one stayed."""

    movie_id: int
    from_id: int = Field(alias="from")
    moved: int
    replaced: int
    older: int


class DumpReport(BaseModel):
    """`users` and `recommendations` that the file has, and its `size` in bytes. `limit`: movies a user."""

    format: Literal["jsonl", "csv"]
    limit: int
    model_version: int
    users: int
    recommendations: int
    size: int


class BackupReport(BaseModel):
    """`size` in bytes, `sha256` of the archive's contents; `left_out`: files that should have been there.

    `deleted`: older backups, of which `MATINEE_KEEP_BACKUPS` are kept.
    """

    file: str
    size: int
    sha256: str
    left_out: list[str]
    deleted: list[str]


class RebuildReport(BaseModel):
    """`promoted`: whether the version is served, with the reason; `evaluation`: on held-out users."""

    version: int
    promoted: bool
    reason: str
    evaluation: dict[str, Any]
    ratings: int
    users: int
    movies: int


class StatusEvent(BaseModel):
    """`event: status`. `at`: seconds since 1970."""

    at: float
    status: STATUSES
    attempt: int
    worker: str | None


class ProgressEvent(BaseModel):
    """`event: progress`. `rate`: units a second. `at`: seconds since 1970."""

    at: float
    phase: str | None
    done: int
    total: int | None
    unit: str | None
    message: str | None
    rate: float | None
    eta_seconds: float | None


class LogEvent(BaseModel):
    """`event: log`. `at`: seconds since 1970."""

    at: float
    level: Literal["error", "warning", "info"]
    text: str


class EndEvent(BaseModel):
    """`event: end`, without an id: the task has ended, and so does the stream."""

    status: STATUSES


REPORTS: dict[str, type[BaseModel]] = {
    IMPORT.name: ImportReport,
    UNDO.name: UndoReport,
    MERGE.name: MergeReport,
    MERGED_MOVIES.name: MovieMergeReport,
    DUMP_RECOMMENDATIONS: DumpReport,
    REBUILD_MODEL: RebuildReport,
    IMPORT_MODEL: RebuildReport,
    BACK_UP: BackupReport,
}
"""The result of each kind of task."""
EVENTS: dict[str, type[BaseModel]] = {
    "status": StatusEvent,
    "progress": ProgressEvent,
    "log": LogEvent,
    "end": EndEvent,
}


def add(schemas: Json) -> None:
    """Add them to the schemas of the document, and refer to them where a task shows result and error."""
    models: list[type[BaseModel]] = [Problem, *REPORTS.values(), *EVENTS.values()]
    _, made = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas |= made["$defs"]
    results = [_ref(model) for model in REPORTS.values()]
    if set(names()) - REPORTS.keys():
        results.append({"type": "object", "additionalProperties": True})
    for name, shown in schemas.items():
        if name.startswith(("Task", "ExportedTask")) and "result" in shown.get("properties", {}):
            shown["properties"]["result"] = {"anyOf": [*results, {"type": "null"}]}
            shown["properties"]["error"] = {"anyOf": [_ref(Problem), {"type": "null"}]}


def event_stream() -> Json:
    """A stream of events: `data` is JSON, of the schema of the type that `event` names."""
    return {
        "schema": {"type": "string"},
        "itemSchema": {"oneOf": [_event(name, model) for name, model in EVENTS.items()]},
    }


def _event(name: str, model: type[BaseModel]) -> Json:
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": _ref(model)}
    fields = {"event": {"const": name}, "id": {"type": "string"}, "data": data}
    return {"type": "object", "properties": fields, "required": ["event", "data"]}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}

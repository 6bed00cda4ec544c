"""Where an import or undo resumes: what the task's row keeps, in the transaction that it belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from app.config import Settings
from app.imports.kinds import IMPORT
from app.imports.workspace import Workspace
from app.storage.store import store_of
from app.task import Task
from app.tasks.attempt import Attempt

GONE = "What it had kept for going on is gone from the store (by default the data directory), or damaged."
UPLOAD_GONE = "The upload is gone from the store (by default the data directory)."


@dataclass
class Parsed:
    """What the parse found. `left_out`: files of a zip that are no ratings, movies, links or marks.

    `marks`: rows of movies that are there and no ratings. `assumed`: of each file what was judged over the
    whole of it, None for one that says everything itself.
    """

    read: int = 0
    duplicate: int = 0
    rejected: int = 0
    unknown_movies: int = 0
    formats: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    assumed: list[dict[str, Any] | None] = field(default_factory=list)

    @property
    def good(self) -> int:
        return self.read - self.duplicate - self.rejected


@dataclass
class Figures:
    """What became of the rows that were read; the others but for the last four add up to `read`.

    `made`: movies that were made for rows that had none. `personal`: how many marks, waiting rows and movies
    the import has written. `taken_over`: movies made here that are imported ones now; `arrived`: rows that
    waited for a movie that has come.
    """

    read: int = 0
    new: int = 0
    replaced: int = 0
    unchanged: int = 0
    older: int = 0
    duplicate: int = 0
    waiting: int = 0
    marks: int = 0
    rejected: int = 0
    made: int = 0
    personal: int = 0
    taken_over: int = 0
    arrived: int = 0


@dataclass
class UndoFigures:
    """How many ratings, marks, waiting rows, movies and links were deleted and put back, and how many are
    kept as they are now.
    """

    deleted: int = 0
    restored: int = 0
    kept: int = 0


@dataclass
class Checkpoint:
    """Of a merge. `done` rows are merged: parts before `part`, and of that the ranges up to `after`.

    `merged` says that all of them are. `order`: see `import_order`. `movies_deleted`: as of the parse.
    `rejects`: as `RejectFile.save` says. `kept`: see `Workspace`; by default what an import has kept
    that began in the first release, without a checksum.
    """

    parsed: Parsed
    figures: Figures
    part: int = 0
    after: Any = None
    done: int = 0
    merged: bool = False
    order: int = 0
    movies_deleted: int = 0
    rejects: list[Any] | None = None
    kept: dict[str, Any] = field(default_factory=lambda: {"catalogue": None})

    @classmethod
    def of(cls, parsed: Parsed) -> "Checkpoint":
        """Before the first range."""
        return cls(parsed, Figures(parsed.read, duplicate=parsed.duplicate, rejected=parsed.rejected))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Checkpoint":
        return cls(**data | {"parsed": Parsed(**data["parsed"]), "figures": Figures(**data["figures"])})

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"parsed": vars(self.parsed), "figures": dict(vars(self.figures))}


@dataclass
class UndoCheckpoint:
    """Of an undo: `done` rows, and of ratings those up to `after`, a pair of user and movie."""

    figures: UndoFigures = field(default_factory=UndoFigures)
    after: list[int] = field(default_factory=lambda: [-1, -1])
    done: int = 0
    rejects: list[Any] | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "UndoCheckpoint":
        return cls(**data | {"figures": UndoFigures(**data["figures"])})

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"figures": dict(vars(self.figures))}


@contextmanager
def saving(
    attempt: Attempt, checkpoint: Checkpoint | UndoCheckpoint, **progress: Any
) -> Iterator[Connection]:
    """A transaction that writes the checkpoint as it is at its end. Raises as `Attempt.transaction` does."""
    saved: dict[str, Any] = {}
    with attempt.transaction(checkpoint=saved, **progress) as connection:
        yield connection
        saved.update(checkpoint.to_json())


def upload_key(file: str) -> str:
    """The upload that a task's `file` names; tasks of older releases have a path of the machine that was."""
    return f"uploads/{Path(file).name}"


def missing(settings: Settings, task: Task) -> str | None:
    """What an import or undo lacks to go on from its checkpoint: one sentence; None if it lacks nothing."""
    if task.checkpoint is None:
        return GONE
    workspace, is_import = Workspace(settings, task), task.kind == IMPORT.name
    checkpoint = (Checkpoint if is_import else UndoCheckpoint).from_json(task.checkpoint)
    if not workspace.has_rejects(checkpoint.rejects):
        return GONE
    if not isinstance(checkpoint, Checkpoint) or checkpoint.merged:
        return None
    return missing_upload(settings, task) if workspace.has(checkpoint.kept) else GONE


def missing_upload(settings: Settings, task: Task) -> str | None:
    """That the upload of an import is not there whole; None if it is, or if it is the bundled sample."""
    params = IMPORT.params_of(task)
    if params.file is None:
        return None
    size = store_of(settings).size(upload_key(params.file))
    return UPLOAD_GONE if size is None or (params.size and size != params.size) else None

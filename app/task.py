"""The task: the public resource of everything that runs in the background, and its states.

`docs/tasks.md` draws them. Every change of a status is one of MOVES, by `repository.tasks.move`.
"""

from dataclasses import dataclass
from typing import Any

QUEUED, RUNNING, CANCELLING = "queued", "running", "cancelling"
COMPLETE, FAILED, CANCELLED = "complete", "failed", "cancelled"
AT_WORK = (RUNNING, CANCELLING)
ACTIVE = (QUEUED, RUNNING, CANCELLING)
ENDED = (COMPLETE, FAILED, CANCELLED)

MOVES = {
    (QUEUED, RUNNING),  # claimed
    (QUEUED, CANCELLED),
    (RUNNING, QUEUED),  # its worker stopped or died, or it failed for the moment
    (RUNNING, COMPLETE),
    (RUNNING, FAILED),
    (RUNNING, CANCELLING),
    (CANCELLING, CANCELLED),
    (CANCELLING, COMPLETE),  # it was done before it heard of it
    (CANCELLING, FAILED),
    (FAILED, QUEUED),  # by hand
    (CANCELLED, QUEUED),  # by hand
}

IMPORT_RATINGS = "import_ratings"
UNDO_IMPORT = "undo_import"
REBUILD_MODEL = "rebuild_model"

IN_ORDER = (IMPORT_RATINGS, UNDO_IMPORT)
"""Kinds that run in the order in which they were queued: each builds on what those before it left."""


@dataclass(frozen=True, slots=True)
class Task:
    """A row of `tasks`. Times in epoch seconds; `done` of `total` counts `unit`s of the current `phase`.

    `attempt` numbers the claims of the task and fences them: a write under an older number fails.
    `crashes` and `failures` count what went wrong since the last progress; a retry is not due `not_before`.
    `checkpoint` is what the next attempt needs to take up where the last committed transaction ended.
    `undo_refused` says why an import cannot be undone although it wrote something.
    """

    seq: int
    id: str
    kind: str
    status: str
    params: dict[str, Any]
    checkpoint: dict[str, Any] | None
    phase: str | None
    done: int
    total: int | None
    unit: str | None
    message: str | None
    attempt: int
    crashes: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    rate: float | None = None
    worker: str | None = None
    failures: int = 0
    not_before: float = 0.0
    undo_refused: str | None = None

    @property
    def eta(self) -> float | None:
        """Seconds to the end of the phase at its rate so far, while that can be told."""
        if self.status != RUNNING or not self.rate or not self.total:
            return None
        return max(0.0, (self.total - self.done) / self.rate)

    @property
    def filename(self) -> str | None:
        """The name of an import's file as it was sent; `sample` for the bundled one."""
        if self.kind != IMPORT_RATINGS:
            return None
        return self.params.get("filename") or (None if self.params.get("file") else "sample")

    @property
    def written(self) -> int | None:
        """How many rows an import has written so far."""
        if self.kind != IMPORT_RATINGS:
            return None
        figures = {} if self.params.get("dry_run") else (self.checkpoint or {}).get("figures", {})
        return int(figures.get("new", 0) + figures.get("replaced", 0))

    @property
    def left_behind(self) -> str | None:
        """What a cancelled import has left in the database."""
        if self.status != CANCELLED or self.kind != IMPORT_RATINGS:
            return None
        if not self.written:
            return "Cancelled before anything was written."
        undo = f"POST /imports/{self.id}/undo takes them back."
        return f"Cancelled after {self.written:,} rows were written. {undo}"

    @property
    def begun(self) -> bool:
        """Whether an import or undo has changed anything, as far as it came."""
        figures = (self.checkpoint or {}).get("figures", {})
        changed = ("new", "replaced", "deleted", "restored", "kept")
        return not self.params.get("dry_run") and any(figures.get(name) for name in changed)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

"""The task: the public resource of everything that runs in the background, and its states.

`docs/tasks.md` draws them. Every change of a status goes through `repository.tasks`, as one of MOVES.
"""

from dataclasses import dataclass
from typing import Any

QUEUED, RUNNING, CANCELLING = "queued", "running", "cancelling"
COMPLETE, FAILED, CANCELLED = "complete", "failed", "cancelled"
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
    `cursor` is what the next attempt needs to take up where the last committed transaction ended.
    """

    seq: int
    id: str
    kind: str
    status: str
    params: dict[str, Any]
    cursor: dict[str, Any] | None
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

    @property
    def eta(self) -> float | None:
        """Seconds to the end of the phase at its rate so far, while that can be told."""
        if self.status != RUNNING or not self.rate or not self.total:
            return None
        return max(0.0, (self.total - self.done) / self.rate)

    @property
    def left_behind(self) -> str | None:
        """What a cancelled import has left in the database."""
        if self.status != CANCELLED or self.kind != IMPORT_RATINGS:
            return None
        figures = (self.cursor or {}).get("figures", {})
        written = figures.get("new", 0) + figures.get("replaced", 0)
        if not written or self.params.get("dry_run"):
            return "Cancelled before anything was written."
        return f"Cancelled after {written:,} rows were written. POST /imports/{self.id}/undo takes them back."

    @property
    def begun(self) -> bool:
        """Whether an import or undo has changed anything, as far as it came."""
        figures = (self.cursor or {}).get("figures", {})
        changed = ("new", "replaced", "deleted", "restored", "kept")
        return not self.params.get("dry_run") and any(figures.get(name) for name in changed)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

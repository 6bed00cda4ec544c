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
RETRIABLE = (FAILED, CANCELLED)
STATUSES = (*ACTIVE, *ENDED)

MOVES = {
    (QUEUED, RUNNING),  # claimed
    (QUEUED, CANCELLED),
    (RUNNING, QUEUED),  # its worker stopped or died, or it failed transiently
    (RUNNING, COMPLETE),
    (RUNNING, FAILED),
    (RUNNING, CANCELLING),
    (CANCELLING, CANCELLED),
    (CANCELLING, COMPLETE),  # its work was done before its next safe point
    (CANCELLING, FAILED),
    (FAILED, QUEUED),  # by hand
    (CANCELLED, QUEUED),  # by hand
}


@dataclass(frozen=True, slots=True)
class Task:
    """A row of `tasks`. Times in epoch seconds; `done` of `total` counts `unit`s of the current `phase`.

    `attempt` numbers the claims of the task and fences them: a write under an older number fails.
    `crashes` and `failures` count what went wrong since the last progress; a retry is not due `not_before`.
    `checkpoint` is what the next attempt needs to resume where the last committed transaction ended; `params`
    and `checkpoint` are JSON, whose shape the task's kind knows (`app.tasks.kinds`).
    `undo_refused` says why an import cannot be undone although it wrote something. `owner`: the person who
    asked for it, if known. `request_id`: of the request that started it, `traceparent`: of the span of that
    (W3C Trace Context). While it is at work in its `lane`, it belongs to its `worker` as long as that has the
    lease, `leased_until` a time by the clock of the database.
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
    owner: int | None = None
    request_id: str | None = None
    traceparent: str | None = None
    lane: str | None = None
    leased_until: float | None = None

    @property
    def eta(self) -> float | None:
        """Seconds to the end of the phase at its rate so far, while it is known."""
        if self.status != RUNNING or not self.rate or not self.total:
            return None
        return max(0.0, (self.total - self.done) / self.rate)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

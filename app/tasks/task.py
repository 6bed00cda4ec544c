"""The task: the public resource of everything that runs in the background, and its states.

queued ---> running ---> complete | failed
  |  ^--------|  (a stop, a crash, a retry)
  |           v
  |      cancelling ---> cancelled
  v
cancelled
"""

from dataclasses import dataclass
from typing import Any

QUEUED, RUNNING, CANCELLING = "queued", "running", "cancelling"
COMPLETE, FAILED, CANCELLED = "complete", "failed", "cancelled"
ACTIVE = (QUEUED, RUNNING, CANCELLING)
ENDED = (COMPLETE, FAILED, CANCELLED)

IMPORT_RATINGS = "import_ratings"
REBUILD_MODEL = "rebuild_model"


@dataclass(frozen=True, slots=True)
class Task:
    """A row of `tasks`. Times in epoch seconds; `done` of `total` counts `unit`s of the current `phase`.

    `attempt` numbers the claims of the task and fences them: a write under an older number fails.
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

    @property
    def ended(self) -> bool:
        return self.status in ENDED

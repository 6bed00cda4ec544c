"""One attempt at a task: what a task kind sees of the machinery around it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from app.config import Settings
from app.repository import task_events, task_totals, tasks
from app.storage import Database
from app.task import CANCELLING, COMPLETE, Task
from app.tasks.kinds import Kind, kind_of
from app.traces import Phases

REPORT_EVERY = 0.2
"""Seconds between two progress reports that are not part of a transaction anyway."""

TELL_EVERY = 0.5
"""Seconds between two progress events of the timeline within one phase."""

SHOWN = ("phase", "done", "total", "unit", "message")


class Stopped(Exception):
    """The worker has to stop: the task goes back to queued and resumes from its checkpoint."""


class Cancelled(Exception):
    """The task was cancelled."""


class Attempt:
    """A claimed task while it runs. Everything it writes is fenced by its attempt number."""

    def __init__(
        self,
        task: Task,
        database: Database,
        settings: Settings,
        *,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.task = task
        self.database = database
        self.settings = settings
        self.clock = clock
        self.phases = Phases()
        self.lost = False
        """Another worker may have it: it ends at its next safe point. Set by the thread that watches."""
        self._stopping = stopping
        self._pending: dict[str, Any] = {}
        self._reported = self._told = 0.0
        self._phase = (clock(), task.done)

    @property
    def kind(self) -> Kind[Any]:
        return kind_of(self.task.kind)

    @property
    def rows_at_once(self) -> int:
        """Rows that one of its transactions writes at most."""
        return self.settings.import_chunk or self.database.rows_at_once

    @property
    def directory(self) -> Path:
        """A folder for what the task has to keep on disk between its attempts."""
        return self.settings.data_dir / "work" / self.task.id

    @contextmanager
    def transaction(self, *, result: dict[str, Any] | None = None, **progress: Any) -> Iterator[Connection]:
        """A write transaction that also writes the progress; with `result` it completes the task.

        `progress` takes phase, done, total, unit, message and checkpoint. Raises `tasks.Fenced` (rolled back)
        if the attempt was replaced; once it is committed, `Cancelled` or `Stopped` if it has to end here.
        """
        self._check_lease()
        with self.database.write() as connection:
            yield connection
            now = self.clock()
            values = self._pending | progress | self._rate(progress, now)
            if "checkpoint" in progress or result is not None:  # the next attempt has less to do
                values |= {"crashes": 0, "failures": 0}
            if result is None:
                row = tasks.advance(connection, self.task, values, lease=self.settings.lease)
            else:
                values |= {"result": result, "finished_at": now}
                row = tasks.move(connection, self.task, COMPLETE, values, now=now)
                task_totals.add(connection, self._counted(result))
            if "phase" in values or now - self._told >= TELL_EVERY:
                shown = {name: getattr(row, name) for name in (*SHOWN, "rate")} | {"eta_seconds": row.eta}
                task_events.tell(connection, row, "progress", shown, now=now)
                self._told = now
        if "phase" in values:
            self.phases.enter(values["phase"])
        self._pending, self._reported = {}, now
        if result is None:
            self._safe_point(row.status)

    def _counted(self, result: dict[str, Any]) -> list[task_totals.Total]:
        """The rows of the result by what became of them; of a dry run nothing did."""
        if result.get("dry_run"):
            return []
        named = ((name, result.get(name) or 0) for name in self.kind.figures)
        return [(self.kind.name, task_totals.ROWS, name, float(count)) for name, count in named if count]

    def _rate(self, progress: dict[str, Any], now: float) -> dict[str, Any]:
        """Units a second since the phase began, in this attempt."""
        values = self._pending | progress
        if "phase" in values:
            self._phase = (now, values.get("done") or 0)
            return {"rate": None}
        started, first = self._phase
        if "done" not in values or now <= started:
            return {}
        return {"rate": (values["done"] - first) / (now - started)}

    def work_on(self, silence: float | None) -> None:
        """Heartbeats are this task's from here on, at least one in `silence` seconds; no longer for None."""
        if self.database.heartbeat is None:
            return
        if silence is None:
            self.database.heartbeat.work_on(None)
        else:
            self.database.heartbeat.work_on(self.task.id, self.task.kind, silence)

    def note(self, **progress: Any) -> None:
        """Add to the progress that is written next."""
        self.database.beat()
        self._pending |= progress

    def report(self, **progress: Any) -> None:
        """Tell how far it is; written at most every `REPORT_EVERY` seconds. Raises as `transaction` does."""
        self.note(**progress)
        self._check_lease()
        if "phase" in progress or self.clock() - self._reported >= REPORT_EVERY or self._stopping():
            with self.transaction():
                pass

    def _check_lease(self) -> None:
        if self.lost:
            raise tasks.Fenced(f"attempt {self.task.attempt} of task {self.task.id} has lost its lease")

    def _safe_point(self, status: str) -> None:
        if status == CANCELLING:
            raise Cancelled
        if self._stopping():
            raise Stopped

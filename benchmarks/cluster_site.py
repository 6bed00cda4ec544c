"""A cluster as its address, its database and its workers' processes show it: all that an event of
`benchmarks.cluster` needs that happens to a worker. The program that has started the cluster gives them.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
from psycopg.rows import class_row

from app.client import MatineeClient
from app.task import ENDED, RUNNING
from tests.server import poll

PATIENCE = 300.0
"""Seconds until something that has to happen counts as missing."""
EVERY = 0.003
"""Seconds between two looks at a task: some phases are short."""


@dataclass(frozen=True, slots=True)
class Row:
    """A task at one moment."""

    id: str
    status: str
    phase: str | None
    worker: str | None
    attempt: int
    done: int
    finished_at: float | None
    result: dict[str, Any] | None

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class Site:
    """`workers`: processes of this machine; `lease`: seconds, as they have it; `token`: an editor's key."""

    def __init__(
        self,
        address: str,
        database_url: str,
        workers: list[psutil.Process],
        lease: float = 15.0,
        token: str | None = None,
    ) -> None:
        self.address, self.workers, self.lease, self.token = address, workers, lease, token
        self._url = database_url
        self._connection: psycopg.Connection[Any] | None = None

    def client(self) -> MatineeClient:
        return MatineeClient(self.address, token=self.token)

    def ask(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query. Raises `psycopg.Error` while the database is away; the next one reconnects."""
        try:
            return self._connected().execute(query.encode(), values).fetchall()
        except psycopg.Error:
            self.disconnect()
            raise

    def asked(self, query: str, *values: Any) -> list[Any]:
        """As `ask`, once the database is there."""

        def answer() -> list[list[Any]] | None:
            with contextlib.suppress(psycopg.Error):
                return [self.ask(query, *values)]
            return None

        return poll(answer, within=PATIENCE)[0]

    def stream(self, query: str) -> Iterator[Any]:
        """The rows of a query that has many."""
        with psycopg.connect(self._url) as connection, connection.cursor("benchmark") as cursor:
            cursor.itersize = 50_000
            yield from cursor.execute(query.encode())

    def task(self, task_id: str) -> Row | None:
        """None while the database is away."""
        columns = ", ".join(Row.__dataclass_fields__)
        query = f"SELECT {columns} FROM tasks WHERE id = %s"
        try:
            with self._connected().cursor(row_factory=class_row(Row)) as cursor:
                return cursor.execute(query.encode(), (task_id,)).fetchone()
        except psycopg.Error:
            self.disconnect()
            return None

    def until(self, task_id: str, is_so: Callable[[Row], object], within: float = PATIENCE) -> Row:
        """The task, once that is so."""

        def found() -> Row | None:
            row = self.task(task_id)
            return row if row is not None and is_so(row) else None

        try:
            return poll(found, within=within, every=EVERY)
        except AssertionError:
            raise AssertionError(f"not within {within} s: {self.task(task_id)}") from None

    def in_phase(self, task_id: str, phase: str) -> Row | None:
        """The task, once it is in that phase, of a merge after its first rows; None: it has ended."""

        def is_there(row: Row) -> bool:
            return row.status == RUNNING and row.phase == phase and (row.done > 0 or phase != "merge")

        row = self.until(task_id, lambda row: row.ended or is_there(row))
        return None if row.ended else row

    def ended(self, task_id: str) -> Row:
        return self.until(task_id, lambda row: row.ended)

    def taken_over(self, before: Row) -> Row:
        """The task, once another worker has it."""
        return self.until(
            before.id, lambda row: row.ended or (row.attempt > before.attempt and row.status == RUNNING)
        )

    def holder(self, row: Row) -> psutil.Process:
        """The process that works on a task."""
        found = [one for one in self.workers if str(row.worker).endswith(f":{one.pid}")]
        assert found, f"{row.worker} works on the task, and is none of the workers"
        return found[0]

    def restore(self) -> None:
        """Have as many workers as before; where another program has started them, that is its own to do."""

    def disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _connected(self) -> "psycopg.Connection[Any]":
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
        return self._connection

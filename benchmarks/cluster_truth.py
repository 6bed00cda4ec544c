"""What the imports of `benchmarks.cluster` must come to: undisturbed, in one process on SQLite."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import sqlalchemy as sa
from fastapi.testclient import TestClient

from app.config import Settings
from app.main import create_app
from app.service import Service
from app.tasks.worker import run_next
from benchmarks.cluster_load import FIRST_USER

RATINGS = f"""
    SELECT user_id, movie_id, score, rated_at FROM ratings WHERE user_id < {FIRST_USER}
    ORDER BY user_id, movie_id
"""
"""Those of the files."""


class Outcome(NamedTuple):
    """Status and report of an import, without what differs from run to run, and its file of rejects."""

    status: str
    report: dict[str, Any]
    rejects: str

    @classmethod
    def of(cls, client: httpx.Client, task_id: str) -> "Outcome":
        task = client.get(f"/tasks/{task_id}").raise_for_status().json()
        report = {name: value for name, value in (task["result"] or {}).items() if name != "seconds"}
        rejects = client.get(f"/imports/{task_id}/rejects")
        return cls(task["status"], report, rejects.text if rejects.is_success else "")


class Undisturbed:
    """A service of one process, which gets the same files in the same order."""

    def __init__(self, folder: Path) -> None:
        app = create_app(Settings(data_dir=folder, embedded_worker=False))
        self._service: Service = app.state.service
        self._client = TestClient(app)

    def take(self, file: Path) -> Outcome:
        headers = {"Content-Type": "text/csv", "X-Filename": file.name}
        answer = self._client.post("/imports", content=file.read_bytes(), headers=headers)
        task_id = answer.raise_for_status().json()["task_id"]
        while run_next(self._service.database, self._service.settings):
            pass
        return Outcome.of(self._client, task_id)

    def differing(self, there: Iterator[Any]) -> int:
        """How many ratings of the files are lost, foreign or otherwise; `there`: rows of `RATINGS`."""
        with self._service.database.read() as connection:
            here = connection.execution_options(yield_per=50_000).execute(sa.text(RATINGS))
            mine, theirs = map(tuple, here), map(tuple, there)
            return sum(one != other for one, other in zip_longest(mine, theirs))

    def close(self) -> None:
        self._service.close()

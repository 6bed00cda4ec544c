"""Calls whose answers are files, saved as they come, or events."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from app.client_answers import JsonObject, refused
from app.client_calls.calls import Calls, segment

FOLLOWED = httpx.Timeout(60.0, connect=2.0)
"""Seconds: a server sends something each 15."""


class StreamCalls(Calls):
    def save_result(self, task_id: str, path: Path | str) -> None:
        """Save the file that a task has made; it is there whole or not at all. Raises `OSError`."""
        self._save(f"/tasks/{segment(task_id)}/result", path)

    def import_rejects(self, task_id: str, path: Path | str) -> None:
        """Save the rejected rows of an import as a CSV. Raises `OSError`, as all of these."""
        self._save(f"/imports/{segment(task_id)}/rejects", path)

    def export_user(self, user_id: int, path: Path | str) -> None:
        """Save all that is kept of a person as JSON."""
        self._save(f"/users/{user_id}/export", path)

    def export_ratings(self, path: Path | str) -> None:
        """Save all ratings as a CSV, which can be imported again."""
        self._save("/ratings.csv", path)

    def export_movies(self, path: Path | str) -> None:
        """Save all movies as a CSV."""
        self._save("/movies.csv", path)

    def export_marks(self, user_id: int, path: Path | str) -> None:
        """Save a person's scores and marks with their times as a CSV."""
        self._save(f"/users/{user_id}/marks.csv", path)

    def export_for_letterboxd(self, user_id: int, path: Path | str, sheet: str = "watched") -> None:
        """Save what Letterboxd imports of a person: `watched`, with the scores, or the `watchlist`."""
        self._save(f"/users/{user_id}/letterboxd.csv", path, sheet=sheet)

    def task_events(self, task_id: str, last_event_id: str | None = None) -> Iterator[tuple[str, JsonObject]]:
        """Type and data of each event of a task, as they come, until it has ended. Not tried again."""
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        path = f"/tasks/{segment(task_id)}/events"
        with self._http.stream("GET", path, headers=headers, timeout=FOLLOWED) as response:
            if not response.is_success:
                response.read()
                raise refused(response)
            kind = ""
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

    def _save(self, path: str, target: Path | str, **params: Any) -> None:
        target = Path(target)
        beside = target.with_name(f"{target.name}.part")

        def download() -> httpx.Response:
            with self._http.stream("GET", path, headers={"Accept": "*/*"}, params=params) as response:
                if response.is_success:
                    with beside.open("wb") as file:
                        file.writelines(response.iter_bytes())
                else:
                    response.read()
            return response

        try:
            self._call(download)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

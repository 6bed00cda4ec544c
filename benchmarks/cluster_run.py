"""A run of `benchmarks.cluster`: files come in one after the other, and each event is judged."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from app.client import ApiError, MatineeClient
from benchmarks.cluster_load import FIRST_USER, Attempts, Load, Span
from benchmarks.cluster_rows import write_movies, write_ratings
from benchmarks.cluster_site import Row, Site
from benchmarks.cluster_truth import RATINGS, Outcome, Undisturbed
from benchmarks.report import Report, note

GRACE = 2.0
"""Seconds after the end of a lease in which another worker has the task."""
KNOWN = "SELECT sum(rating_count), sum(rating_sum) FROM movies"
COUNTED = "SELECT count(*), sum(score) FROM ratings"


@dataclass
class Run:
    """`rows`: of each file. `imports`: the tasks that took files, with what each must come to."""

    site: Site
    folder: Path
    report: Report
    rows: int
    load: Load
    attempts: Attempts
    client: MatineeClient
    truth: Undisturbed
    imports: list[tuple[str, Outcome]] = field(default_factory=list)
    absences: list[Span] = field(default_factory=list)
    _told: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def event(self, name: str) -> Iterator[None]:
        """What happens in it is told in a row; what does not come to its end is a bar that does not hold."""
        note(name)
        self.attempts.event, self._told = name, {}
        began, calls, failed = time.monotonic(), self.load.calls, len(self.load.failures)
        try:
            yield
        except (AssertionError, ApiError) as error:
            self.report.at_most(f"{name}: {error}", 1, 0)
        row: dict[str, Any] = {"event": name, "seconds": round(time.monotonic() - began, 1)}
        row |= {"calls": self.load.calls - calls, "raw_failures": self.attempts.of(name)}
        row |= {"failed": len(self.load.failures) - failed}
        self.report.add(
            **row | {"taken_over_s": self._told.get("taken_over"), "note": self._told.get("note", "")}
        )
        note(f"  {row | self._told}")

    def tell(self, text: str) -> None:
        self._told["note"] = text

    def upload(self, *, movies: bool = False) -> str:
        """The next file begins to come in; the id of its task."""
        number = len(self.imports)
        path = self.folder / f"ratings-{number}.csv"
        file = write_movies(path) if movies else write_ratings(path, self.rows, number)
        expected = self.truth.take(file)
        task_id = self.client.start_import(file)["task_id"]
        file.unlink()
        self.imports.append((task_id, expected))
        return task_id

    def rebuild(self) -> str:
        return self.client.start_rebuild()["task_id"]

    def complete(self, *task_ids: str) -> None:
        for task_id in task_ids:
            row = self.site.ended(task_id)
            if row.status != "complete":
                raise AssertionError(f"{row}")

    def caught(self, phase: str, begin: Callable[[], str]) -> Row:
        """A task in that phase; one that was too fast is followed by another."""
        for _ in range(5):
            if (row := self.site.in_phase(begin(), phase)) is not None:
                return row
        raise AssertionError(f"no task was seen in its phase {phase}")

    def takeover(self, before: Row, how: str) -> Row:
        """Judge how long another worker took to have the task, from now on."""
        began = time.monotonic()
        after = self.site.taken_over(before)
        took = time.monotonic() - began
        note(f"  attempt {after.attempt} by {after.worker} {took:.1f} s after {how}")
        self._told["taken_over"] = round(took, 2)
        self.report.at_most(f"takeover after {how}, s", took, self.site.lease + GRACE)
        return after


def judge(run: Run) -> None:
    """Once the load has ended: compare everything with what was acknowledged, and with an undisturbed run."""
    report, site = run.report, run.site
    site.asked("SELECT 1")
    _settled(site)
    headers = {"Authorization": f"Bearer {site.token}"} if site.token else {}
    with httpx.Client(base_url=site.address, headers=headers, timeout=60) as client:
        found = [(Outcome.of(client, task_id), expected) for task_id, expected in run.imports]
    for one, expected in found:
        if one != expected:
            note(f"  differs: {one.status} {one.report}\n           {expected.status} {expected.report}")
    differing = sum(one != expected for one, expected in found)
    report.at_most(f"of {len(found)} imports, reports that differ from an undisturbed run's", differing, 0)
    report.at_most("ratings of the files that differ", run.truth.differing(site.stream(RATINGS)), 0)
    query = "SELECT user_id, movie_id, score FROM ratings WHERE user_id >= %s"
    there = {(user, movie): score for user, movie, score in site.asked(query, FIRST_USER)}
    lost = sum(there.get(key) not in scores for key, scores in run.load.scores.items())
    report.at_most(f"of {len(run.load.scores)} ratings of the load, lost or changed", lost, 0)
    report.at_most("ratings of the load that were never sent", len(there.keys() - run.load.scores.keys()), 0)
    (known,), (counted,) = site.asked(KNOWN), site.asked(COUNTED)
    report.at_most("ratings doubled, by the counts of movies", abs(known[0] - counted[0]), 0)
    report.at_most("difference of their scores", abs(known[1] - counted[1]), 0)
    kinds = site.asked("SELECT count(*) FROM tasks WHERE kind = 'import_ratings'")
    report.at_most("imports doubled", kinds[0][0] - len(run.imports), 0)
    _judge_calls(run)


def _settled(site: Site) -> None:
    """Once the counts of movies are whole."""
    while site.asked("SELECT count(*) FROM count_changes")[0][0]:
        time.sleep(0.5)


def _judge_calls(run: Run) -> None:
    excused = [one for one in run.load.failures if one.is_excused(run.absences)]
    unexcused = len(run.load.failures) - len(excused)
    run.report.at_most(f"of {run.load.calls} calls, failed", unexcused, 0)
    for since, until in run.absences:
        run.report.add(database_absent_s=round(until - since, 1), calls_that_it_excuses=len(excused))
    for failure in run.load.failures:
        run.report.add(failed=failure.text)
    for (event, cause), count in sorted(run.attempts.causes.items()):
        run.report.add(event=event, raw_failure=cause, count=count)

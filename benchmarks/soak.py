"""Minutes of mixed load with everything that may go wrong: what grows, and whether anything is lost.

A real server with its worker. Clients read, rate and search all the time; beside them files are imported,
undone, cancelled, models rebuilt, and the worker is killed. Each second memory, descriptors, threads and the
WAL are looked at. At the end every rating is compared with what was acknowledged.

    uv run python -m benchmarks.soak --minutes 10 --json FILE
"""

import contextlib
import csv
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.report import Report, arguments, note
from benchmarks.sample import TASTES
from tests.server import Server

CLIENTS, PAUSE = 4, 0.05
"""Clients, and seconds between two requests of one."""
ROWS = 20_000
FILMS = sorted(film for films in TASTES.values() for film in films)
WARM = 180.0
"""Seconds until the memory is judged; a third of a run that is short."""
BATCH = 15.0
"""Seconds of samples that make one point of a slope: single ones are not independent."""
MOST_GROWTH, MOST_WAL, MOST_CANCEL = 1.0, 64.0, 1.0
"""MB a minute, MB, and seconds from a cancel until the task has ended (median)."""
Key = tuple[int, int]


@dataclass
class Sample:
    at: float
    server_mb: float
    worker_mb: float
    descriptors: int
    threads: int
    wal_mb: float


@dataclass
class Run:
    """What happens. `acknowledged`: the last score of each pair that was sent and taken; None: either."""

    server: Server
    folder: Path
    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    samples: list[Sample] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    chores: list[tuple[float, str]] = field(default_factory=list)
    cancels: list[float] = field(default_factory=list)
    acknowledged: dict[Key, float | None] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def now(self) -> float:
        return time.monotonic() - self.began


def ask(run: Run, number: int) -> None:
    """One client: six reads of ten, two ratings, a search, and a list with reasons."""
    choose, user = random.Random(number), 1_000_000 * (number + 1)
    with httpx.Client(base_url=run.server.client.base_url, timeout=30) as client:
        while not run.ended.wait(PAUSE):
            began, what = run.now, choose.randrange(10)
            try:
                if what < 6:
                    answer = client.get(f"/recommendations/{choose.randrange(1, 2_000)}")
                elif what == 6:
                    answer = client.get("/movies", params={"query": choose.choice(("matrix", "star", "the"))})
                elif what == 7:
                    answer = client.get(f"/users/{choose.randrange(1, 2_000)}/recommendations")
                else:
                    user += 1
                    key, score = (user, choose.choice(FILMS)), choose.randint(1, 10) / 2
                    run.acknowledged[key] = None
                    body = {"user_id": key[0], "movie_id": key[1], "score": score}
                    answer = client.post("/ratings", json=body)
                    if answer.is_success:
                        run.acknowledged[key] = score
            except httpx.HTTPError as error:
                run.failures[type(error).__name__] += 1
                continue
            run.latencies.append((began, run.now - began))
            if not answer.is_success:
                run.failures[str(answer.status_code)] += 1


def look(run: Run) -> None:
    wal = run.server.data_dir / "matinee.db-wal"
    assert run.server.process is not None
    process = psutil.Process(run.server.process.pid)
    while not run.ended.wait(1.0):
        worker = 0
        for child in run.server.workers():
            with contextlib.suppress(psutil.Error):
                worker += child.memory_info().rss
        size = wal.stat().st_size if wal.exists() else 0
        with process.oneshot():
            mine = (process.memory_info().rss / 1e6, worker / 1e6, process.num_fds(), process.num_threads())
        run.samples.append(Sample(run.now, *mine, size / 1e6))


def work(run: Run) -> None:
    """The chores in turns, each to its end."""
    number = 0
    while not run.ended.is_set():
        turn = TURNS[number % len(TURNS)]
        try:
            turn(run, number)
            run.chores.append((run.now, turn.__name__))
        except (httpx.HTTPError, AssertionError) as error:
            run.failures[f"{turn.__name__}: {error!r}"[:80]] += 1
        number += 1


def start(run: Run, number: int) -> tuple[str, dict[Key, float]]:
    """Queue an import of rows of people of its own."""
    choose = random.Random(1_000 + number)
    first = 100_000_000 + number * ROWS
    rows = {
        (first + user, film): choose.randint(1, 10) / 2
        for user in range(ROWS // 10)
        for film in choose.sample(FILMS, 10)
    }
    text = "user_id,movie_id,score\n" + "".join(f"{u},{m},{score}\n" for (u, m), score in rows.items())
    answer = run.server.client.post(
        "/imports", content=text, headers={"Content-Type": "text/csv"}, timeout=60
    )
    return str(answer.raise_for_status().json()["task_id"]), rows


def finish(run: Run, task_id: str) -> str:
    return str(run.server.wait(task_id, within=240)["status"])


def imported(run: Run, number: int) -> None:
    task_id, rows = start(run, number)
    assert finish(run, task_id) == "complete", task_id
    run.acknowledged |= rows


def take_back(run: Run, task_id: str) -> None:
    answer = run.server.client.post(f"/tasks/{task_id}/undo")
    assert finish(run, answer.raise_for_status().json()["task_id"]) == "complete", task_id


def undone(run: Run, number: int) -> None:
    task_id, _ = start(run, number)
    assert finish(run, task_id) == "complete", task_id
    take_back(run, task_id)


def rebuilt(run: Run, _number: int) -> None:
    answer = run.server.client.post("/recommender/rebuild").raise_for_status()
    assert finish(run, answer.json()["task_id"]) == "complete"


def killed(run: Run, number: int) -> None:
    """The worker is killed once the import has begun."""
    task_id, rows = start(run, number)
    while (task := run.server.task(task_id))["status"] == "queued":
        time.sleep(0.01)
    if task["finished_at"] is None:
        time.sleep(random.Random(number).random() * 0.3)
        for worker in run.server.workers():
            worker.kill()
    assert finish(run, task_id) == "complete", task_id
    run.acknowledged |= rows


def cancelled(run: Run, number: int) -> None:
    task_id, rows = start(run, number)
    time.sleep(random.Random(number).random() * 0.5)
    began = run.now
    run.server.client.post(f"/tasks/{task_id}/cancel").raise_for_status()
    status = finish(run, task_id)
    run.cancels.append(run.now - began)
    if status == "complete":
        run.acknowledged |= rows
    elif run.server.task(task_id)["written"]:
        take_back(run, task_id)


TURNS: tuple[Callable[[Run, int], None], ...] = (imported, undone, rebuilt, killed, cancelled)


def compare(run: Run) -> tuple[int, int]:
    """Acknowledged ratings that are not there as they were sent, and ratings that nobody sent."""
    with run.server.client.stream("GET", "/ratings.csv", timeout=120) as answer:
        lines = csv.DictReader(answer.iter_lines())
        there = {(int(row["user_id"]), int(row["movie_id"])): float(row["score"]) for row in lines}
    wanted = {key: score for key, score in run.acknowledged.items() if score is not None}
    lost = sum(there.get(key) != score for key, score in wanted.items())
    return lost, len([key for key in there if key not in run.acknowledged])


def slope(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Least squares over the medians of batches: units a minute, and half of its 95% interval."""
    batches: dict[int, list[float]] = {}
    for at, value in points:
        batches.setdefault(int(at // BATCH), []).append(value)
    x = np.array(sorted(batches)) * BATCH / 60
    y = np.array([statistics.median(batches[number]) for number in sorted(batches)])
    if len(x) < 3:
        return 0.0, float("inf")
    around = x - x.mean()
    steep = float(around @ y / (around @ around))
    left = y - y.mean() - steep * around
    error = float(np.sqrt(left @ left / (len(x) - 2) / (around @ around)))
    return steep, (1.96 + 2.4 / (len(x) - 2)) * error  # near Student's t


def by_minute(run: Run, report: Report, minutes: int) -> None:
    for minute in range(minutes):
        span = (minute * 60, minute * 60 + 60)
        seen = [one for one in run.samples if span[0] <= one.at < span[1]]
        took = sorted(seconds for at, seconds in run.latencies if span[0] <= at < span[1])
        done = Counter(name for at, name in run.chores if span[0] <= at < span[1])
        if not seen or not took:
            continue
        row: dict[str, Any] = {"minute": minute + 1, "requests": len(took)}
        row |= {
            f"p{part}_ms": round(took[min(len(took) - 1, len(took) * part // 100)] * 1e3, 1)
            for part in (50, 99)
        }
        for name in ("server_mb", "worker_mb", "descriptors", "threads", "wal_mb"):
            row[name] = round(max(getattr(one, name) for one in seen), 1)
        report.add(
            **row
            | {turn.__name__: done[turn.__name__] for turn in (imported, undone, rebuilt, killed, cancelled)}
        )


def judge(run: Run, report: Report, minutes: float) -> None:
    warm = min(WARM, minutes * 20)
    late = [one for one in run.samples if one.at >= warm]
    for name in ("server_mb", "descriptors", "threads"):
        steep, half = slope([(one.at, getattr(one, name)) for one in late])
        report.add(slope_of=name, a_minute=round(steep, 3), plus_minus=round(half, 3), from_minute=warm / 60)
        if name == "server_mb":
            report.at_most("server memory, MB a minute, upper end of 95%", steep + half, MOST_GROWTH)
    if run.cancels:
        took = statistics.median(run.cancels)
        report.at_most("seconds from a cancel to the end of the task, median", took, MOST_CANCEL)
    report.at_most("largest WAL, MB", max(one.wal_mb for one in run.samples), MOST_WAL)
    lost, foreign = compare(run)
    report.at_most("acknowledged ratings lost or changed", lost, 0)
    report.at_most("ratings that were never sent, or undone", foreign, 0)
    report.at_most("requests and chores that failed", sum(run.failures.values()), 0)
    for what, count in run.failures.items():
        note(f"failed: {what}: {count}")
    if run.failures:
        lines = run.server.log().splitlines()
        note("\n".join(line for line in lines if " in " not in line or " 500 in " in line)[-20_000:])


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    report = Report("soak")
    with tempfile.TemporaryDirectory() as scratch:
        server = (
            Server(Path(scratch) / "data", "--no-access-log", MATINEE_IMPORT_CHUNK="2000").start().ready()
        )
        with contextlib.closing(server):
            run = Run(server, Path(scratch))
            rebuilt_after_first(run)
            threads = [threading.Thread(target=ask, args=(run, number)) for number in range(CLIENTS)]
            threads += [
                threading.Thread(target=look, args=(run,)),
                threading.Thread(target=work, args=(run,)),
            ]
            run.began = time.monotonic()
            for thread in threads:
                thread.start()
            for minute in range(round(options.minutes)):
                time.sleep(60 if minute + 1 <= options.minutes else 0)
                note(f"{minute + 1} of {options.minutes:g} minutes")
            run.ended.set()
            for thread in threads:
                thread.join()
            by_minute(run, report, round(options.minutes))
            judge(run, report, options.minutes)
    return report.finish(options.json)


def rebuilt_after_first(run: Run) -> None:
    """Some ratings and a model, before anything is measured."""
    imported(run, 99_999)
    rebuilt(run, 0)


if __name__ == "__main__":
    sys.exit(main())

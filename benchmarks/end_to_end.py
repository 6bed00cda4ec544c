"""From a CSV over HTTP to the first personal recommendation, beside the script that people write today.

    uv run --group bench python -m benchmarks.end_to_end --size 1M|5M|20M [--json FILE]

Generated ratings in shuffled order go to a real server with its embedded worker: upload, import, rebuild,
until `GET /recommendations/{user}` is personal; then, once the rebuild is complete (large data is served by
the factors alone before), 1% of new ratings and a second rebuild. The script (`script_of_today`) gets the
same file. Of some users a fifth of the ratings is in no file; both are asked over HTTP for what those users
like there.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from app.recommender.evaluation import DEPTH, RELEVANT
from benchmarks import synthetic
from benchmarks.report import Report, arguments, note
from tests.server import Server, free_port, poll

GOALS = {"20M": (30.0, 8.0)}
"""Seconds to the first personal answer, and of a rebuild after 1% of new ratings."""
MEMORY = 1_000
"""MB that the worker may have had at its peak."""
TESTED_USERS, HIDDEN, NEW = 500, 0.2, 0.01
LINES = 500_000
HEAD = "user_id,movie_id,score,rated_at\n"
Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """The files of a size, and what is looked for: user -> movies that they like and that are in no file."""

    movies: Path
    ratings: Path
    more: Path
    hidden: dict[int, set[int]]


def prepare(folder: Path, size: str) -> Case:
    data, random = synthetic.stored(folder, size), np.random.default_rng(1)
    table = data.scores
    users = data.user_ids[table.row_numbers()]
    every: Columns = (users, data.movie_ids[table.indices], table.values)
    tested = random.choice(data.user_ids, min(TESTED_USERS, len(data.user_ids) // 10), replace=False)
    hidden = np.isin(users, tested) & (random.random(len(users)) < HIDDEN)
    liked: dict[int, set[int]] = {}
    for user, movie, score in zip(*(column[hidden].tolist() for column in every), strict=True):
        if score >= RELEVANT:
            liked.setdefault(user, set()).add(movie)
    order = random.permutation(np.flatnonzero(~hidden))
    new = round(len(order) * NEW)
    movies = folder / f"movies-{size}.csv"
    films = "".join(f"{movie},Movie {movie},2000,Drama\n" for movie in data.movie_ids.tolist())
    movies.write_text("id,title,year,genre\n" + films)
    return Case(
        movies,
        _write(folder / f"ratings-{size}.csv", every, order[new:]),
        _write(folder / f"more-{size}.csv", every, order[:new]),
        liked,
    )


def _write(path: Path, columns: Columns, order: NDArray[Any]) -> Path:
    if not path.exists():
        with path.open("w") as file:
            file.write(HEAD)
            for first in range(0, len(order), LINES):
                rows = order[first : first + LINES]
                lines = zip(*(column[rows].tolist() for column in columns), strict=True)
                file.write("".join(f"{u},{m},{s},1000000000\n" for u, m, s in lines))
    return path


def ndcg(ask: Callable[[int], list[int]], hidden: dict[int, set[int]]) -> float:
    """NDCG@100 of the lists that `ask` gives for each user, as `app.recommender.evaluation` has it."""
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    values = []
    for user, movies in hidden.items():
        hits = np.isin(ask(user), list(movies))[:DEPTH]
        values.append(discounts[: len(hits)][hits].sum() / discounts[: len(movies)].sum())
    return float(np.mean(values))


class Matinee:
    """A server on an empty folder, and what it is asked."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.server = Server(folder / "data").start()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.server.port}", timeout=600)
        self.case, self.user = case, next(iter(case.hidden))
        self.peak = 0.0
        self.memory: dict[str, float] = {}
        """MB that the worker had at most in each phase, by looks."""

    def send(self, path: Path) -> tuple[str, float]:
        """The task of an import, and the seconds of its upload."""
        began = time.perf_counter()
        with path.open("rb") as file:
            headers = {"Content-Type": "text/csv"}
            answer = self.client.post("/imports", content=file, headers=headers).raise_for_status()
        return str(answer.json()["task_id"]), time.perf_counter() - began

    def finished(self, task_id: str) -> dict[str, Any]:
        task: dict[str, Any] = self.client.get(f"/tasks/{task_id}").raise_for_status().json()
        while not task["finished_at"]:
            self._look_at_workers(f"{task['kind']}, {(task['progress'] or {}).get('phase')}")
            time.sleep(0.05)
            task = self.client.get(f"/tasks/{task_id}").raise_for_status().json()
        self._look_at_workers()
        assert task["status"] == "complete", task
        return task

    def rebuild(self) -> str:
        answer = self.client.post("/recommender/rebuild").raise_for_status()
        return str(answer.json()["task_id"])

    def first_answer(self) -> None:
        while self.client.get(f"/recommendations/{self.user}").headers["X-Source"] != "personal":
            self._look_at_workers()
            time.sleep(0.05)

    def ask(self, user: int) -> list[int]:
        found: list[int] = self.client.get(f"/recommendations/{user}?limit={DEPTH}").json()
        return found

    def phases(self, task: dict[str, Any]) -> Iterator[tuple[str, float]]:
        """The phases of a task and the seconds of each, by its timeline."""
        text = self.client.get(f"/tasks/{task['task_id']}/events").text
        told = [json.loads(data) for data in re.findall(r"^data: (.*)$", text, re.MULTILINE)]
        marks = [(e["at"], e["phase"]) for e in told if e.get("phase")]
        began: list[tuple[float, str]] = []
        for at, phase in marks:
            if not began or began[-1][1] != phase:
                began.append((at, phase))
        ends = [*(at for at, _ in began[1:]), told[-2]["at"] if len(told) > 1 else 0.0]
        return ((phase, end - at) for (at, phase), end in zip(began, ends, strict=True))

    def versions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get("/models").raise_for_status().json()
        return found

    def _look_at_workers(self, phase: str = "") -> None:
        for worker in self.server.workers():
            try:
                status = Path(f"/proc/{worker.pid}/status").read_text()
            except OSError:
                continue
            if found := re.search(r"VmHWM:\s+(\d+)", status):
                self.peak = max(self.peak, int(found[1]) / 1_000)
            if phase and (now := re.search(r"VmRSS:\s+(\d+)", status)):
                self.memory[phase] = max(self.memory.get(phase, 0.0), int(now[1]) / 1_000)

    def close(self) -> None:
        self.client.close()
        self.server.close()


def matinee(report: Report, folder: Path, size: str, case: Case) -> tuple[float, float]:
    """Seconds to the first personal answer and NDCG@100 over HTTP; adds the rest to the report."""
    ours = Matinee(folder, case)
    try:
        ours.finished(ours.send(case.movies)[0])
        began = time.perf_counter()
        task_id, upload = ours.send(case.ratings)
        imported = ours.finished(task_id)
        first = ours.rebuild()
        ours.first_answer()
        seconds = time.perf_counter() - began
        found = [ndcg(ours.ask, case.hidden)]
        rebuilt = ours.finished(first)
        whole = time.perf_counter() - began  # with the questions for NDCG between
        found.append(ndcg(ours.ask, case.hidden))
        _add(report, size, "first", [("upload", upload), *ours.phases(imported), *ours.phases(rebuilt)])
        ours.finished(ours.send(case.more)[0])
        again = time.perf_counter()
        second = ours.finished(ours.rebuild())
        again = time.perf_counter() - again
        _add(report, size, "second", ours.phases(second))
        for phase, megabytes in ours.memory.items():
            report.add(size=size, worker_in=phase, mb=round(megabytes))
        for version in ours.versions():
            report.add(version=version["version"], **version["evaluation"]["model"])
        report.add(
            size=size, whole_model=round(whole, 1), ndcg_at_100_of_it=round(found[1], 4),
            second_rebuild=round(again, 1), workers_peak_mb=round(ours.peak),
        )  # fmt: skip
        report.at_most(f"worker's peak memory in MB, {size}", ours.peak, MEMORY)
        if goals := GOALS.get(size):
            report.at_most(f"seconds to the first personal answer, {size}", seconds, goals[0])
            report.at_most(f"seconds of a rebuild after 1% of new ratings, {size}", again, goals[1])
    finally:
        ours.close()
    return seconds, found[0]


def _add(report: Report, size: str, rebuild: str, phases: Any) -> None:
    for phase, seconds in phases:
        report.add(size=size, rebuild=rebuild, phase=phase, seconds=round(seconds, 2))


def script(folder: Path, case: Case) -> tuple[float, float]:
    """The same of the script."""
    port, folder = free_port(), folder / "script"
    folder.mkdir()
    command = ["-m", "uvicorn", "benchmarks.script_of_today:app", "--port", str(port)]
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"}  # as implicit advises
    process = subprocess.Popen(
        [sys.executable, *command, "--log-level", "error"], cwd=folder, env=environment
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
            poll(lambda: _answers(client), within=120)
            began = time.perf_counter()
            with case.ratings.open("rb") as file:
                client.post("/imports", content=file).raise_for_status()
            user = next(iter(case.hidden))
            while client.get(f"/recommendations/{user}").status_code != 200:
                time.sleep(0.05)
            seconds = time.perf_counter() - began

            def ask(user: int) -> list[int]:
                found: list[int] = client.get(f"/recommendations/{user}?limit={DEPTH}").json()
                return found

            return seconds, ndcg(ask, case.hidden)
    finally:
        process.kill()
        process.wait()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def compare(report: Report, folder: Path, size: str) -> None:
    note(f"{size}: making files")
    case = prepare(folder, size)
    note("the script of today")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        theirs = script(Path(name), case)
    note("Matinee")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        ours = matinee(report, Path(name), size, case)
    for engine, (seconds, found) in (("Matinee", ours), ("script of today", theirs)):
        report.add(engine=engine, size=size, first_answer=round(seconds, 1), ndcg_at_100=round(found, 4))
    report.at_least(f"NDCG@100 over that of the script, {size}", ours[1] / theirs[1], 1)


def main() -> int:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--size", choices=synthetic.SHAPES, default="1M")
    parser.add_argument("--folder", type=Path, help="where generated files are kept; default: thrown away")
    options = parser.parse_args()
    report = Report("end_to_end")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        compare(report, folder, options.size)
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

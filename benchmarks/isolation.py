"""Whether the API stutters while it imports and rebuilds.

An open-loop client sends at a fixed rate, whatever the answers do, and measures from the moment at which
each request was due: `GET /recommendations/{user}` and `POST /ratings`, against a real server with its
embedded worker. Idle, during rebuilds, during imports, in turns, each kind of period taken together; and, as
the floor, a bare endpoint idle and while other processes of the worker's priority burn the processors.

    uv run --group bench python -m benchmarks.isolation [--size 5M] [--engine postgresql] [--json FILE]
"""

import http.client
import json
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from app.config import Settings
from app.mark import Mark, Marked
from app.repository import marks
from app.storage import Database, open_database
from benchmarks.report import Report, arguments, note
from benchmarks.synthetic import generate
from tests.postgres import PostgresServer
from tests.server import Server, free_port

READS, WRITES = 40.0, 10.0
CONNECTIONS = 16
KEPT_ALIVE = 3.0
"""Seconds for which a connection that is idle is used again."""
SECONDS = 20.0
ROUNDS, IMPORTS = 3, 2
USERS = 5_000
BARE = """
import os
from fastapi import FastAPI
app = FastAPI()
log = os.open("log", os.O_WRONLY | os.O_CREAT)
os.write(log, bytes(1 << 20))
os.fsync(log)
@app.get("/recommendations/{user_id}")
def recommendations(user_id: int, limit: int = 10) -> list[int]:
    return list(range(10))
@app.post("/ratings", status_code=201)
def rate(body: dict[str, float]) -> dict[str, float]:
    os.pwrite(log, bytes(16384), 0)  # as durable as a rating: some pages of a log that has its blocks
    os.fdatasync(log)
    return body
@app.get("/health")
def health() -> dict[str, str]:
    return {}
"""


@dataclass
class Load:
    """Latencies in milliseconds by kind of request, and what was not answered well."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: {"read": [], "write": []})
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: {"read": Counter(), "write": Counter()})
    """Of the answers, by kind of request; 0 where there was none."""
    seconds: float = 0.0

    @property
    def errors(self) -> int:
        return sum(n for kind in self.statuses.values() for s, n in kind.items() if s not in (200, 201))

    def __iadd__(self, other: "Load") -> "Load":
        for kind, values in other.latencies.items():
            self.latencies[kind] += values
        for kind, counts in other.statuses.items():
            self.statuses[kind] += counts
        self.seconds += other.seconds
        return self


class Client:
    """Sends on schedule from a pool of connections, so that a slow answer delays no other request."""

    def __init__(self, port: int, movies: list[int], seed: int = 0, *, writers: int = 0) -> None:
        """`writers`: connections for writes alone, where these may be held up; 0: all share the same."""
        self._port, self._writers = port, writers
        self._movies = movies
        self._random = random.Random(seed)

    def run(self, until: Callable[[float], bool]) -> Load:
        """Send until `until(seconds so far)` says stop."""
        load, due = Load(), queue.Queue[tuple[float, str] | None]()
        writes = queue.Queue[tuple[float, str] | None]() if self._writers else due
        threads = [
            threading.Thread(target=self._serve, args=(items, load))
            for items, count in ((due, CONNECTIONS), (writes, self._writers))
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        started, number = time.perf_counter(), 0
        while True:
            at = started + number / (READS + WRITES)
            time.sleep(max(0.0, at - time.perf_counter()))
            if until(at - started):
                break
            if number % 5 == 4:
                writes.put((at, "write"))
            else:
                due.put((at, "read"))
            number += 1
        for items, count in ((due, CONNECTIONS), (writes, self._writers)):
            for _ in range(count):
                items.put(None)
        for thread in threads:
            thread.join()
        load.seconds = time.perf_counter() - started
        return load

    def _serve(self, due: "queue.Queue[tuple[float, str] | None]", load: Load) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.connect()
        used = time.perf_counter()
        while (item := due.get()) is not None:
            at, kind = item
            if time.perf_counter() - used > KEPT_ALIVE:
                connection.close()  # as the server may do; the next request opens it again
            used = time.perf_counter()
            try:
                status = self._send(connection, kind)
            except (OSError, http.client.HTTPException):
                status = 0
                connection.close()
            load.latencies[kind].append((time.perf_counter() - at) * 1e3)
            load.statuses[kind][status] += 1

    def _send(self, connection: http.client.HTTPConnection, kind: str) -> int:
        user = self._random.randrange(1, USERS)
        if kind == "read":
            connection.request("GET", f"/recommendations/{user}?limit=10")
        else:
            rating = {"user_id": user, "movie_id": self._random.choice(self._movies), "score": 4.0}
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/ratings", body=json.dumps(rating), headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status


def prepare(folder: Path, size: str) -> tuple[Path, Path, list[Path]]:
    """A catalogue, ratings of some thousand users for the first model, and large files of different users."""
    base, large = generate("1M"), generate(size, seed=1)
    movie_ids = np.union1d(base.movie_ids, large.movie_ids)
    movies = folder / "movies.csv"
    movies.write_text(
        "id,title,year,genre\n" + "".join(f"{m},Movie {m},2000,Drama\n" for m in movie_ids.tolist())
    )
    files = [
        write(folder / f"large-{i}.csv", large, (i + 1) * 1_000_000) for i in range(ROUNDS * IMPORTS + 1)
    ]
    return movies, write(folder / "base.csv", base, 0), files


def write(path: Path, interactions: object, first_user: int) -> Path:
    from app.recommender.interactions import Interactions

    assert isinstance(interactions, Interactions)
    table = interactions.scores
    users = interactions.user_ids[table.row_numbers()] + first_user
    rows = np.column_stack(
        [users, interactions.movie_ids[table.indices], (table.values * 2).astype(np.int64)]
    )
    with path.open("w") as file:
        file.write("user_id,movie_id,score,rated_at\n")
        for part in np.array_split(rows, max(1, len(rows) // 200_000)):
            file.write("".join(f"{u},{m},{s / 2},1000000000\n" for u, m, s in part.tolist()))
    return path


def mark(database: Database, movies: list[int], number: int) -> None:
    """Have each user mark the same number of movies as watched, as a player does."""
    for user in range(1, USERS if number else 1):
        some = movies[user % 7 :: max(1, len(movies) * USERS // number)]
        given = {(user, movie): {Mark.WATCHED: Marked(True, 1_000_000_000)} for movie in some}
        with database.write() as connection:
            marks.add_many(connection, given, import_seq=0)
    database.close()


def upload(server: Server, path: Path) -> str:
    with path.open("rb") as file:
        answer = server.client.post(
            "/imports", content=file, headers={"Content-Type": "text/csv"}, timeout=600
        )
    return str(answer.raise_for_status().json()["task_id"])


def rebuild(server: Server) -> str:
    return str(server.client.post("/recommender/rebuild").raise_for_status().json()["task_id"])


def measure(client: Client, server: Server, task_ids: Iterator[str]) -> Load:
    """The load until each of these tasks has ended; the next one is asked for then."""
    ended = threading.Event()

    def watch() -> str:
        try:
            return ", ".join(server.wait(task_id, within=3600)["status"] for task_id in task_ids)
        finally:
            ended.set()

    with ThreadPoolExecutor(1) as watcher:
        states = watcher.submit(watch)
        load = client.run(lambda _: ended.is_set())
        assert set(states.result().split(", ")) == {"complete"}, states.result()
    return load


def imports(server: Server, paths: list[Path]) -> Iterator[str]:
    """Queued while the worker is held: their uploads are no part of what is measured."""
    worker = server.worker()
    worker.suspend()
    task_ids = [upload(server, path) for path in paths]
    worker.resume()
    return iter(task_ids)


def rebuilds(server: Server) -> Iterator[str]:
    """One after the other: of several that are queued, one would be made."""
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        yield rebuild(server)


def floor(report: Report, folder: Path, movies: list[int], burners: int) -> None:
    (folder / "bare.py").write_text(BARE)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bare:app", "--port", str(port), "--log-level", "error"]
    bare = subprocess.Popen(command, cwd=folder)
    try:
        wait_for(port)
        client = Client(port, movies)
        client.run(lambda seconds: seconds > 2)
        row(report, "bare endpoint, idle", client.run(lambda seconds: seconds > SECONDS))
        burn = [
            subprocess.Popen(["nice", "-n", "15", sys.executable, "-c", "while True: pass"])
            for _ in range(burners)
        ]
        row(report, f"bare endpoint, {burners} burn", client.run(lambda seconds: seconds > SECONDS))
        for process in burn:
            process.kill()
            process.wait()
    finally:
        bare.kill()
        bare.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health")
            return
        except httpx.TransportError:
            time.sleep(0.05)


def row(report: Report, name: str, load: Load) -> dict[str, float]:
    """Adds the rows of one kind of period; returns its p99 by kind of request."""
    p99 = {}
    for kind, values in load.latencies.items():
        figures = np.percentile(values, [50, 99, 100]) if values else np.zeros(3)
        p99[kind] = float(figures[1])
        report.add(
            period=name,
            request=kind,
            sent=len(values),
            p50_ms=round(float(figures[0]), 2),
            p99_ms=round(p99[kind], 2),
            max_ms=round(float(figures[2]), 2),
            errors=load.errors,
            seconds=round(load.seconds, 1),
        )
    return p99


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--size", default="5M", help="ratings of the import and of the rebuild")
    parser.add_argument("--marks", type=int, default=0, help="marks of the users who ask, beside all this")
    options = parser.parse_args()
    report = Report("isolation")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        note("making data")
        movies_file, base, (first, *others) = prepare(folder, options.size)
        movies = [int(line.split(",")[0]) for line in movies_file.read_text().splitlines()[1:2000]]
        floor(report, folder, movies, burners=2)
        engine = PostgresServer(lasting=True) if options.engine == "postgresql" else None
        if engine is not None:
            engine.wear()
        url = engine.url(engine.create_database()) if engine else ""
        server = Server(folder / "data", MATINEE_DATABASE_URL=url).start()
        try:
            for path in (movies_file, base, first):
                assert server.wait(upload(server, path), within=600)["status"] == "complete"
            server.wait(rebuild(server), within=600)
            mark(open_database(Settings(data_dir=folder / "data", database_url=url)), movies, options.marks)
            client = Client(server.port, movies)
            client.run(lambda seconds: seconds > 2)
            periods = {name: Load() for name in ("idle", "rebuild", "import")}
            for number in range(2 * ROUNDS):
                note(f"round {number + 1} of {2 * ROUNDS}")
                periods["idle"] += client.run(lambda seconds: seconds > SECONDS / 2)
                if number < ROUNDS:
                    periods["rebuild"] += measure(client, server, rebuilds(server))
                else:
                    some = [others.pop() for _ in range(IMPORTS)]
                    periods["import"] += measure(client, server, imports(server, some))
            found = {name: row(report, name, load) for name, load in periods.items()}
            for period, p99 in list(found.items())[1:]:
                for kind, value in p99.items():
                    idle = found["idle"][kind]
                    bar = max(1.5 * idle, idle + 5)
                    report.at_most(f"p99 of a {kind} during the {period}, ms", round(value, 2), round(bar, 2))
                report.at_most(f"errors during the {period}", periods[period].errors, 0)
        finally:
            server.close()
            if engine:
                engine.close()
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

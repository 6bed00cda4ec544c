"""What the door costs a request: latency and processor time, with the door closed, by token and by key.

One request after the other on one connection, against a real server with the bundled sample; the three ways
take turns in each round, so that what else the machine does falls on all of them. Also the query that each
transaction begins with: the version of the door.

    uv run python -m benchmarks.door [--rounds 20] [--json FILE]
"""

import http.client
import json
import sys
import tempfile
import time
import timeit
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from app.config import Settings
from app.repository import accounts
from app.sample import FIRST_USER
from app.storage import Database
from app.user import Role
from benchmarks.report import Report, arguments, note
from tests.house import House
from tests.server import Server

WARM_UP, AT_ONCE = 5, 50
"""Requests before those that are measured, and how many are, of each kind in each round."""
A_DAY = 86_400
WAYS = ("closed", "token", "key")
RATING = json.dumps({"user_id": FIRST_USER, "movie_id": 1, "score": 4.5})
REQUESTS = (
    ("GET", "/health", None),
    ("GET", "/movies/top", None),
    ("GET", f"/recommendations/{FIRST_USER}", None),
    ("POST", "/ratings", RATING),
)
NO_LIMITS = {"MATINEE_LIMIT_WRITES": "100000/second"}


@dataclass
class Cost:
    """Of one kind of request in one way: milliseconds of each, and processor seconds of all."""

    latencies: list[float] = field(default_factory=list)
    processor: float = 0.0

    @property
    def p50(self) -> float:
        return float(np.median(self.latencies))

    def row(self) -> dict[str, float]:
        cpu = 1_000 * self.processor / len(self.latencies)
        p99 = float(np.percentile(self.latencies, 99))
        return {"p50_ms": round(self.p50, 3), "p99_ms": round(p99, 3), "cpu_ms": round(cpu, 3)}


class Asker:
    """Sends requests to a server, one after the other."""

    def __init__(self, server: Server) -> None:
        assert server.process is not None
        self._process = psutil.Process(server.process.pid)
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)

    def ask(self, request: tuple[str, str, str | None], headers: dict[str, str]) -> float:
        """Milliseconds until the whole response is there."""
        method, path, body = request
        kind = {"Content-Type": "application/json"} if body else {}
        began = time.perf_counter()
        self._connection.request(method, path, body, headers | kind)
        answer = self._connection.getresponse()
        answer.read()
        taken = 1_000 * (time.perf_counter() - began)
        assert answer.status in (200, 201), (method, path, answer.status)
        return taken

    def measure(self, request: tuple[str, str, str | None], headers: dict[str, str], cost: Cost) -> None:
        for _ in range(WARM_UP):
            self.ask(request, headers)
        before = self._process.cpu_times()
        cost.latencies += [self.ask(request, headers) for _ in range(AT_ONCE)]
        after = self._process.cpu_times()
        cost.processor += after.user - before.user + after.system - before.system


def compare(report: Report, server: Server, house: House, rounds: int) -> None:
    editor = house.person("Ann", Role.EDITOR)
    headers = {
        "closed": {},
        "token": house.token(editor, "a", seconds=A_DAY),
        "key": house.key(editor, Role.EDITOR),
    }
    costs: defaultdict[tuple[str, str], Cost] = defaultdict(Cost)
    asker = Asker(server)
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        for way in WAYS[number % 3 :] + WAYS[: number % 3]:
            with house.service.database.write() as connection:
                accounts.move_door(connection, is_open=way != "closed")
            for request in REQUESTS:
                asker.measure(request, headers[way], costs[request[1], way])
    for method, path, _ in REQUESTS:
        for way in WAYS:
            report.add(request=f"{method} {path}", door=way, **costs[path, way].row())
        for way in WAYS[1:]:
            ratio = costs[path, way].p50 / costs[path, "closed"].p50
            report.at_most(f"p50 by {way} over closed, {method} {path}", ratio, 1.25)


def query(report: Report, database: Database, repeats: int = 5_000) -> None:
    """The version of the door, in a transaction that has begun to read."""
    with database.read() as connection:
        taken = timeit.repeat(lambda: accounts.door_state(connection), number=repeats, repeat=5)
    microseconds = 1e6 * min(taken) / repeats
    report.add(query="version of the door", us=round(microseconds, 1))
    report.at_most("version of the door, microseconds", microseconds, 100)


def main() -> int:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    report = Report("door")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data", "--no-access-log", **NO_LIMITS).start()
        try:
            for path in ("/imports", "/recommender/rebuild"):
                server.wait(server.client.post(path).raise_for_status().json()["task_id"])
            house = House(Settings(data_dir=server.data_dir, embedded_worker=False))
            compare(report, server, house, options.rounds)
            query(report, house.service.database)
            house.service.close()
        finally:
            server.close()
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

"""Whether a login says which names there are, and what others see while many log in.

First, wrong passwords for a known and an unknown name in turns, each pair from an address of its own
(127.1.0.0/16), so that no backoff and no limit counts: the interval of the difference of the medians is a
bootstrap over pairs. Then `GET /movies` at a fixed rate, measured from the moment at which each request was
due (`benchmarks.isolation`): idle, and beside bursts of parallel logins, which come from a process and
addresses of their own. The server is `matinee serve` with its door open.

    uv run --group bench python -m benchmarks.logins [--pairs 200] [--rounds 5] [--json FILE]
"""

import contextlib
import http.client
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from app.config import Settings
from app.people import passwords, secrets
from app.repository import accounts, users
from app.storage import open_database
from app.user import Role
from benchmarks.isolation import Client, Load
from benchmarks.report import Report, arguments, note
from tests.server import Server

NAME, PASSWORD = "Ann", "correct horse battery staple"
PARALLEL = 200
IDLE_SECONDS = 20.0
SAMPLES = 10_000
WIDTH = 10.0
"""Milliseconds; the interval must be narrower."""
LONGEST_WAIT = 5.0
"""Seconds that a login waits for its turn at most."""
LONGEST_HASH = 1.0
"""Seconds between the turn of a login and its answer, at most."""


class Target(Server):
    """`matinee serve` with its door open and one account."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._environment["MATINEE_PORT"] = str(self.port)
        settings = Settings(data_dir=data_dir)
        database = open_database(settings)
        secrets.ensure(settings)
        with database.write() as connection:
            user = users.create(connection, NAME, now=time.time())
            accounts.add(connection, user.id, Role.ADMIN, passwords.hashed(PASSWORD), now=time.time())
            accounts.move_door(connection, is_open=True)
        database.close()

    def command(self) -> list[str]:
        return ["-m", "app.cli", "serve"]

    def log_in(self, name: str, password: str, place: int) -> tuple[int, float, str]:
        """Status, seconds and access token of a login from one of 65,000 addresses."""
        source = (f"127.1.{place // 250}.{place % 250 + 1}", 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=source)
        with contextlib.closing(connection):
            connection.connect()
            form = urlencode({"username": name, "password": password})
            began = time.perf_counter()
            connection.request("POST", "/token", form, {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            body = json.loads(response.read())
            return response.status, time.perf_counter() - began, str(body.get("access_token"))


class Reader(Client):
    """Reads the plain list."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__(port, [])
        self._header = {"Authorization": f"Bearer {token}"}

    def _send(self, connection: http.client.HTTPConnection, _kind: str) -> int:
        connection.request("GET", "/movies", headers=self._header)
        response = connection.getresponse()
        response.read()
        return response.status


def compare(report: Report, target: Target, pairs: int) -> None:
    """Wrong passwords for a known and an unknown name, in turns."""
    names = (NAME, "Nobody")
    for name in names:  # what is made on first use
        target.log_in(name, "wrong", 60_000)
    seconds = np.zeros((pairs, 2))
    for number in range(pairs):
        for which in (0, 1) if number % 2 else (1, 0):
            status, seconds[number, which], _ = target.log_in(names[which], "wrong password", number)
            assert status == 401, status
    milliseconds = seconds * 1e3
    low, high = interval(milliseconds)
    for which, name in enumerate(("known", "unknown")):
        figures = np.percentile(milliseconds[:, which], [50, 99])
        report.add(name=name, logins=pairs, p50_ms=round(figures[0], 2), p99_ms=round(figures[1], 2))
    report.at_most("known - unknown, difference of medians, 95% from, ms", low, 0.0)
    report.at_least("known - unknown, difference of medians, 95% to, ms", high, 0.0)
    report.at_most("width of that interval, ms", high - low, WIDTH)


def interval(values: "np.ndarray[Any, np.dtype[np.float64]]", seed: int = 0) -> tuple[float, float]:
    """The 95% interval of the difference of the medians of two columns, by a bootstrap over rows."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, len(values), (SAMPLES, len(values)))
    medians = np.median(values[rows], axis=1)
    low, high = np.percentile(medians[:, 0] - medians[:, 1], [2.5, 97.5])
    return float(low), float(high)


def burst(target: Target, first: int, answers: Any) -> None:
    """All logins at once, each in a thread."""
    ready = threading.Barrier(PARALLEL)

    def log_in(place: int) -> None:
        ready.wait()
        try:
            answers.put(target.log_in(NAME, PASSWORD, place)[:2])
        except (OSError, http.client.HTTPException, ValueError):
            answers.put((0, 0.0))

    threads = [threading.Thread(target=log_in, args=(first + number,)) for number in range(PARALLEL)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def logins(target: Target, first: int) -> Iterator[tuple[Any, Any]]:
    """A burst in a process of its own, with the queue of its answers."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=burst, args=(target, first, answers))
    process.start()
    try:
        yield process, answers
    finally:
        process.join()


def row(report: Report, period: str, load: Load) -> float:
    """Adds a row; returns p99 in milliseconds."""
    values = [value for kind in load.latencies.values() for value in kind]
    figures = np.percentile(values, [50, 99, 100])
    refused = sum(count for kind in load.statuses.values() for status, count in kind.items() if status != 200)
    report.add(
        period=period,
        reads=len(values),
        p50_ms=round(float(figures[0]), 2),
        p99_ms=round(float(figures[1]), 2),
        max_ms=round(float(figures[2]), 2),
        refused=refused,
    )
    report.at_most(f"refused reads, {period}", refused, 0)
    return float(figures[1])


def crowd(report: Report, target: Target, rounds: int) -> None:
    """Reads while nothing else happens, and beside bursts of logins."""
    status, _, token = target.log_in(NAME, PASSWORD, 60_001)
    assert status == 200, status
    reader = Reader(target.port, token)
    reader.run(lambda seconds: seconds > 2)
    idle, beside = Load(), Load()
    statuses, slowest = Counter[int](), {200: 0.0, 429: 0.0}
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        idle += reader.run(lambda seconds: seconds > IDLE_SECONDS / rounds)
        with logins(target, 1_000 + number * PARALLEL) as (process, answers):
            beside += reader.run(lambda _, process=process: not process.is_alive())  # type: ignore[misc]
            for _ in range(PARALLEL):
                status, seconds = answers.get(timeout=10)
                statuses[status] += 1
                slowest[status] = max(slowest.get(status, 0.0), seconds)
    for status in sorted(statuses):
        report.add(status=status, logins=statuses[status], slowest_s=round(slowest[status], 2))
    p99 = {name: row(report, name, load) for name, load in (("idle", idle), ("beside logins", beside))}
    report.at_most("p99 of a read beside logins, ms", p99["beside logins"], 3 * p99["idle"])
    report.at_most("logins that failed", statuses.total() - statuses[200] - statuses[429], 0)
    report.at_most("slowest login that was let in, s", slowest[200], LONGEST_WAIT + LONGEST_HASH)
    report.at_most("slowest login that was refused, s", slowest[429], LONGEST_WAIT + LONGEST_HASH)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5, help="bursts of parallel logins")
    options = parser.parse_args()
    report = Report("logins")
    with tempfile.TemporaryDirectory() as name:
        target = Target(Path(name) / "data")
        try:
            target.start()
            compare(report, target, options.pairs)
            crowd(report, target, options.rounds)
        finally:
            target.close()
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

"""What other callers see while some misbehave: slow or greedy clients, a stopped worker, a foreign lock.

Probes read and rate at a fixed rate, whatever the answers do, and measure from the moment at which each
request was due (`benchmarks.isolation`): idle, then beside one hostile load after the other, which comes from
addresses of its own (127.0.0.2 and up). The server is `matinee serve` with 1,024 descriptors.

    uv run --group bench python -m benchmarks.hostile [--only NAME ...] [--json FILE]
"""

import contextlib
import multiprocessing
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.isolation import Client, Load, prepare, rebuild, upload
from benchmarks.report import Report, arguments, note
from tests.server import Server, poll

SECONDS, IDLE_SECONDS = 15.0, 20.0
SENDERS, READERS, HEADS, STREAMS, UPLOADS = 64, 200, 1_100, 3_000, 200
UPLOAD_BYTES, UPLOAD_RATE = 5_000_000, 50_000
LOCK_SECONDS = 20.0
WRITERS = 80
"""Connections of the probes that write: each may have to wait for six seconds."""
WRITE_BOUND = 6_000.0
"""Milliseconds within which a write is answered, if only by a 503."""
RECOVERY = 10.0
"""Seconds after the end of a load in which everything is as before."""
SILENCE = 30.0
"""Seconds without progress after which a worker is replaced."""
MEMORY = 500 << 20
NO_REFUSALS = ("slow senders", "slow readers", "half heads", "idle streams")
Attack = Callable[["Target"], contextlib.AbstractContextManager[None]]


class Target(Server):
    """`matinee serve` with a limit of descriptors, and the peak of its memory."""

    def __init__(self, data_dir: Path, descriptors: int, **environment: str) -> None:
        super().__init__(data_dir, **environment)
        self._limit = descriptors
        self.peak = 0

    def command(self) -> list[str]:
        limit = f"resource.setrlimit(resource.RLIMIT_NOFILE, ({self._limit}, {self._limit}))"
        return ["-c", f"import resource; {limit}; from app.cli.commands import main; main(['serve'])"]

    def start(self) -> "Target":
        self._environment["MATINEE_PORT"] = str(self.port)
        super().start()
        threading.Thread(target=self._watch_memory, daemon=True).start()
        return self

    def _watch_memory(self) -> None:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.process.pid if self.process else None)
            while process.is_running():
                self.peak = max(self.peak, process.memory_info().rss)
                time.sleep(0.05)


def connect(port: int, address: str = "127.0.0.2", receive_buffer: int = 0) -> socket.socket:
    """A connection from an address of its own."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(5)
    connection.bind((address, 0))
    connection.connect(("127.0.0.1", port))
    return connection


@contextlib.contextmanager
def held(number: int, make: Callable[[int], socket.socket]) -> Iterator[list[socket.socket]]:
    """So many connections, made again where the server has ended one, until the context ends."""
    connections: list[socket.socket] = []
    ended = threading.Event()

    def hold() -> None:
        while not ended.is_set():
            connections[:] = [one for one in connections if not _is_closed(one)]
            for place in range(len(connections), number):
                with contextlib.suppress(OSError):
                    connections.append(make(place))
                if ended.is_set():
                    break
            ended.wait(0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield connections
    finally:
        ended.set()
        thread.join()
        for connection in connections:
            connection.close()


def _is_closed(connection: socket.socket) -> bool:
    """Whether the server has ended it. Nothing is taken out of its buffer: a slow reader stays one."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@contextlib.contextmanager
def trickle(target: Target, heads: list[bytes], rate: float) -> Iterator[None]:
    """Connections that send their head at once, and then so many bytes a second each."""
    step = max(1, int(rate / 2))

    def make(place: int) -> socket.socket:
        connection = connect(target.port)
        connection.sendall(heads[place % len(heads)])
        return connection

    ended = threading.Event()
    with held(len(heads), make) as connections:

        def send() -> None:
            while not ended.wait(step / rate):
                for connection in list(connections):
                    with contextlib.suppress(OSError):
                        connection.send(b"1" * step, socket.MSG_DONTWAIT)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def slow_senders(target: Target) -> contextlib.AbstractContextManager[None]:
    head = b"POST /ratings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return trickle(target, [head + b"Content-Length: 100000\r\n\r\n"] * SENDERS, 2)


def uploads(target: Target) -> contextlib.AbstractContextManager[None]:
    head = b"POST /imports HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
    head += f"Content-Length: {UPLOAD_BYTES}\r\n\r\n".encode()
    return trickle(target, [head] * UPLOADS, UPLOAD_RATE)


@contextlib.contextmanager
def slow_readers(target: Target) -> Iterator[None]:
    paths = ("/movies.csv", "/ratings.csv")

    def make(place: int) -> socket.socket:
        connection = connect(target.port, receive_buffer=4096)
        connection.sendall(f"GET {paths[place % len(paths)]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return connection

    with held(READERS, make):
        yield


@contextlib.contextmanager
def half_heads(target: Target) -> Iterator[None]:
    def make(_place: int) -> socket.socket:
        connection = connect(target.port)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        return connection

    with held(HEADS, make):
        yield


@contextlib.contextmanager
def idle_streams(target: Target) -> Iterator[None]:
    """Event streams of a task that stays in the queue: the server has no worker."""
    head = f"GET /tasks/{rebuild(target)}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def make(place: int) -> socket.socket:
        connection = connect(target.port, f"127.0.0.{2 + place % 30}")
        connection.sendall(head)
        return connection

    with held(STREAMS, make):
        yield


@contextlib.contextmanager
def foreign_lock(target: Target) -> Iterator[None]:
    other = sqlite3.connect(target.data_dir / "matinee.db", isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


@contextlib.contextmanager
def stopped_worker(target: Target) -> Iterator[None]:
    """The worker stands still in the middle of an import, for good; it is replaced, or nothing goes on."""
    worker = target.worker()
    task_id = upload(target, target.data_dir.parent / "large-0.csv")
    poll(lambda: target.task(task_id)["progress"]["phase"] == "merge", within=60, every=0.005)
    worker.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()


ATTACKS: dict[str, tuple[Attack, float]] = {
    "slow senders": (slow_senders, SECONDS),
    "slow readers": (slow_readers, SECONDS),
    "half heads": (half_heads, SECONDS),
    "uploads": (uploads, SECONDS),
    "foreign lock": (foreign_lock, LOCK_SECONDS),
    "stopped worker": (stopped_worker, SILENCE + RECOVERY),
    "idle streams": (idle_streams, SECONDS),
}


@contextlib.contextmanager
def beside(attack: Attack, target: Target) -> Iterator[None]:
    """The attack in a process of its own: it must not take the interpreter of the probes."""
    context = multiprocessing.get_context("fork")
    ended, begun = context.Event(), context.Event()

    def run() -> None:
        target.client = httpx.Client(
            base_url=target.client.base_url, timeout=10
        )  # connections are not shared
        with attack(target):
            begun.set()
            ended.wait()

    process = context.Process(target=run)
    process.start()
    try:
        begun.wait(120)
        yield
    finally:
        ended.set()
        process.join()


def period(report: Report, name: str, load: Load, target: Target) -> dict[str, float]:
    """Adds the rows of one period. Returns p99 in milliseconds by kind of request."""
    p99 = {}
    for kind, values in load.latencies.items():
        figures = np.percentile(values, [50, 99, 100]) if values else np.zeros(3)
        p99[kind] = float(figures[1])
        statuses = load.statuses[kind]
        report.add(
            period=name,
            request=kind,
            sent=len(values),
            p50_ms=round(float(figures[0]), 2),
            p99_ms=round(p99[kind], 2),
            max_ms=round(float(figures[2]), 2),
            refused=statuses[503],
            failed=sum(n for status, n in statuses.items() if status not in (200, 201, 503)),
            memory_mb=target.peak >> 20,
        )
    return p99


def recovery(target: Target) -> float:
    """Seconds until a read and a write succeed again."""
    started = time.monotonic()
    body = {"user_id": 1, "movie_id": 1, "score": 4.0}

    def works() -> bool:
        with contextlib.suppress(httpx.TransportError):
            read = target.client.get("/recommendations/1")
            return read.status_code == 200 and target.client.post("/ratings", json=body).is_success
        return False

    poll(works, within=120, every=0.1)
    return time.monotonic() - started


def judge(
    report: Report, name: str, load: Load, p99: dict[str, float], idle: dict[str, float], seconds: float
) -> None:
    """The bars of one hostile load."""
    blocked = name in ("foreign lock", "stopped worker")
    for kind, value in p99.items():
        if kind == "write" and blocked:
            slowest = max(load.latencies["write"], default=0.0)
            report.at_most(f"slowest write beside {name}, ms", slowest, WRITE_BOUND)
        else:
            report.at_most(f"p99 of a {kind} beside {name}, ms", value, round(5 * idle[kind], 2))
            sent = max(1, len(load.latencies[kind]))
            most = 0.0 if name in NO_REFUSALS else 0.01
            report.at_most(f"refused of {kind}s beside {name}", load.statuses[kind][503] / sent, most)
    failed = sum(n for kind in load.statuses.values() for s, n in kind.items() if s not in (200, 201, 503))
    report.at_most(f"failed beside {name}", failed, 0)
    report.at_most(f"recovered after {name}, s", round(seconds, 2), RECOVERY)


def run(report: Report, target: Target, client: Client, names: list[str]) -> None:
    """One server: idle, then beside each of its loads."""
    client.run(lambda seconds: seconds > 2)
    idle = period(report, "idle", client.run(lambda seconds: seconds > IDLE_SECONDS), target)
    for name in names:
        note(name)
        attack, duration = ATTACKS[name]
        with beside(attack, target):
            load = client.run(lambda seconds, duration=duration: seconds > duration)  # type: ignore[misc]
        seconds = recovery(target)
        p99 = period(report, f"beside {name}", load, target)
        judge(report, name, load, p99, idle, seconds)
    report.at_most("memory of the API process, MB", target.peak / (1 << 20), MEMORY >> 20)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), default=list(ATTACKS))
    options = parser.parse_args()
    report = Report("hostile")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        note("making data")
        movies_file, base, _files = prepare(folder, "1M")
        movies = [int(line.split(",")[0]) for line in movies_file.read_text().splitlines()[1:2000]]
        data = folder / "data"
        beside_worker = [one for one in options.only if one != "idle streams"]
        target = Target(data, 1024).start()
        try:
            for path in (movies_file, base):
                assert target.wait(upload(target, path), within=600)["status"] == "complete"
            target.wait(rebuild(target), within=600)
            if beside_worker:
                run(report, target, Client(target.port, movies, writers=WRITERS), beside_worker)
        finally:
            target.close()
        if "idle streams" in options.only:
            target = Target(data, 4096, MATINEE_EMBEDDED_WORKER="off").start()
            try:
                run(report, target, Client(target.port, movies, writers=WRITERS), ["idle streams"])
            finally:
                target.close()
    return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())

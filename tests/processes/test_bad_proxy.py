"""Writes of the client through a proxy that drops, repeats and delays them: each happens once, in order.

MATINEE_TEST_WRITES says how many; the default is small.
"""

import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from app.client import ApiError, MatineeClient
from app.retry_client import RetryPolicy
from tests.server import Server

WRITES = int(os.environ.get("MATINEE_TEST_WRITES", "120"))
WRITERS = 4
MOVIES = (1, 2, 6)
PATIENT = RetryPolicy(attempts=30, base=0.001, cap=0.01, throttled_base=0.01, throttled_cap=0.1, budget=None)
FATES = {"pass": 45, "drop": 12, "lose": 13, "cut": 10, "twice": 10, "late": 10}

Call = tuple[str, bytes, dict[str, str]]


class BadProxy(BaseHTTPRequestHandler):
    """Forwards to `port`: or hangs up before, after or within the answer; twice; or later, after others."""

    protocol_version = "HTTP/1.1"
    port: int
    url: str
    random: Random
    late: list[Call]
    fates: Counter[str]
    lock: threading.Lock

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: self.headers[name] for name in ("Content-Type", "Idempotency-Key")}
        call = (self.path, body, {name: value for name, value in headers.items() if value})
        with self.lock:
            fate = self.random.choices(list(FATES), list(FATES.values()))[0]
            self.fates[fate] += 1
            overdue = self.late.pop(0) if self.late and self.random.random() < 0.3 else None
        if overdue:
            self.forward(overdue)
        if fate == "late":
            with self.lock:
                self.late.append(call)
        self.close_connection = fate not in ("pass", "twice")
        if fate in ("drop", "late"):
            return
        if fate == "twice":
            self.forward(call)
        answer, content = self.forward(call)
        if fate != "lose":
            self.answer(answer, content, half=fate == "cut")

    @classmethod
    def forward(cls, call: Call) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", cls.port, timeout=30)
        try:
            connection.request("POST", *call)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def answer(self, answer: HTTPResponse, content: bytes, *, half: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() in ("content-type", "content-length", "retry-after"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", MATINEE_EMBEDDED_WORKER="off").start()
    yield server
    server.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[type[BadProxy]]:
    class Proxy(BadProxy):
        pass

    Proxy.random, Proxy.late, Proxy.fates, Proxy.lock = Random(7), [], Counter(), threading.Lock()
    Proxy.port = server.port
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    Proxy.url = f"http://127.0.0.1:{listening.server_port}"
    yield Proxy
    listening.shutdown()
    thread.join()
    listening.server_close()


def write(url: str, writer: int, writes: int) -> tuple[dict[int, float], int]:
    """Add films, and rate one film over and over: the last score by film, and how many calls failed."""
    scores: dict[int, float] = {}
    failed = 0
    with MatineeClient(url, policy=PATIENT) as client:
        for number in range(writes):
            try:
                if number % 2:
                    client.create_movie(f"Film {writer}-{number}")
                else:
                    movie, score = MOVIES[number // 2 % 3], (1 + Random(number).randrange(10)) / 2
                    client.rate(movie, writer, score)
                    scores[movie] = score
            except ApiError:
                failed += 1
    return scores, failed


def test_every_write_happens_once_and_the_newest_is_kept(server: Server, proxy: type[BadProxy]) -> None:
    url = proxy.url
    with ThreadPoolExecutor(WRITERS) as pool:
        share = WRITES // WRITERS
        meant = list(pool.map(lambda writer: write(url, writer, share), range(WRITERS)))
    for call in proxy.late:
        proxy.forward(call)
    with sqlite3.connect(server.data_dir / "matinee.db") as database:
        titles = Counter(row[0] for row in database.execute("SELECT title FROM movies WHERE source = 'api'"))
        stored = {row[:2]: row[2] for row in database.execute("SELECT user_id, movie_id, score FROM ratings")}
    films = {f"Film {writer}-{number}" for writer in range(WRITERS) for number in range(1, share, 2)}
    newest = {(w, movie): score for w, (scores, _) in enumerate(meant) for movie, score in scores.items()}
    figures = {
        "failed": sum(failed for _, failed in meant),
        "lost": len(films - titles.keys()) + len(newest.keys() - stored.keys()),
        "doubled": sum(titles.values()) - len(titles),
        "older over newer": sum(stored.get(key) not in (score, None) for key, score in newest.items()),
    }
    print(f"{share * WRITERS} writes, {dict(proxy.fates)}: {figures}")
    assert figures == dict.fromkeys(figures, 0)
    assert all(proxy.fates[fate] for fate in FATES)

"""Clients that are slow or say nothing: others do not notice, they end in time, and a stop does not wait."""

import contextlib
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.server import Server, poll

CLIENTS = 45
"""More than there are places and threads."""
DESCRIPTORS = 512
HALF_HEAD = b"GET /movies HTTP/1.1\r\nHost: localhost\r\nX-"
HALF_BODY = (
    b"POST /ratings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 50\r\n\r\n{"movie_id"'
)
EXPORT = b"GET /movies.csv HTTP/1.1\r\nHost: localhost\r\n\r\n"
RATING = {"movie_id": 1, "user_id": 7, "score": 4}


class Hurried(Server):
    """`matinee serve` with a second for what has ten, and few descriptors."""

    def command(self) -> list[str]:
        return ["-m", "tests.processes.hurried", str(self.port), str(DESCRIPTORS)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Hurried(tmp_path_factory.mktemp("slow") / "data").start()
    server.client.timeout = 30
    fill(server)
    yield server
    server.close()


@pytest.fixture
def connect() -> Iterator[Callable[[Server, bytes], socket.socket]]:
    """Open a connection, send something, and read nothing."""
    with contextlib.ExitStack() as stack:

        def connect(server: Server, data: bytes) -> socket.socket:
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(20)
            client.connect(("127.0.0.1", server.port))
            client.sendall(data)
            return client

        yield connect


Connect = Callable[[Server, bytes], socket.socket]


def process_of(server: Server) -> psutil.Process:
    assert server.process is not None
    return psutil.Process(server.process.pid)


def fill(server: Server) -> None:
    """A catalogue whose export is far more than the buffers of a connection take."""
    server.client.get("/movies").raise_for_status()
    with sqlite3.connect(server.data_dir / "matinee.db", timeout=20) as connection:
        rows = ((10_000 + number, "x" * 500) for number in range(20_000))
        connection.executemany(
            "INSERT INTO movies (id, title, search_key, source, created_at) VALUES (?, ?, '', 'import', 0)",
            rows,
        )
    connection.close()


def others_are_served(server: Server) -> None:
    for _ in range(10):
        assert server.client.get("/movies?limit=5").status_code == 200
        assert server.client.post("/ratings", json=RATING).status_code in (200, 201)


def connections(server: Server) -> int:
    return sum(1 for c in process_of(server).net_connections("tcp") if c.status == psutil.CONN_ESTABLISHED)


def received(client: socket.socket) -> Iterator[bytes]:
    """What comes until the server closes the connection."""
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            yield part


def test_slow_senders(server: Server, connect: Connect) -> None:
    slow = [connect(server, HALF_BODY) for _ in range(CLIENTS)]
    others_are_served(server)
    answers = [b"".join(received(client)) for client in slow]
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert all(b"application/problem+json" in answer and b"too slowly" in answer for answer in answers)


def test_readers_that_do_not_read(server: Server, connect: Connect) -> None:
    memory = process_of(server).memory_info
    others_are_served(server)
    before = memory().rss
    _kept = [connect(server, EXPORT) for _ in range(CLIENTS)]
    others_are_served(server)
    assert memory().rss - before < 100 << 20
    poll(lambda: connections(server) < 10, within=60)


def test_half_heads(server: Server, connect: Connect) -> None:
    slow = [connect(server, HALF_HEAD) for _ in range(DESCRIPTORS + 50)]
    with httpx.Client(base_url=server.client.base_url) as another:
        assert another.get("/movies").status_code == 200
    others_are_served(server)
    answers = [b"".join(received(client)) for client in slow]
    assert any(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    poll(lambda: connections(server) < 10, within=60)
    others_are_served(server)


@pytest.mark.parametrize("kind", [Server, Hurried], ids=["uvicorn", "matinee serve"])
def test_a_stop_does_not_wait_for_them(kind: type[Server], tmp_path: Path, connect: Connect) -> None:
    server = kind(tmp_path / "data", MATINEE_SHUTDOWN_GRACE="1").start()
    fill(server)
    task_id = server.client.post("/recommender/rebuild").json()["task_id"]
    worker = server.worker()
    stream = f"GET /tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    upload = b"POST /imports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\nuser_id"
    for request in (HALF_HEAD, HALF_BODY, EXPORT, stream, upload):
        for _ in range(3):
            connect(server, request)
    poll(lambda: connections(server) >= 15)
    started = time.monotonic()
    server.terminate()
    assert time.monotonic() - started < 15  # without a limit it would be for ever
    assert not worker.is_running()
    assert b"Traceback" not in server.data_dir.with_suffix(".log").read_bytes()

"""Event streams of a real server: many at once, slow ones, dead ones, and a shutdown while they are open."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.server import Server, poll

CLIENTS = 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data").start()
    yield server
    server.close()


def queue_a_task(server: Server) -> str:
    """A task that stays queued, since no worker lives."""
    return str(server.client.post("/imports").json()["task_id"])


def open_stream(server: Server, task_id: str) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", server.port))
    request = f"GET /tasks/{task_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    stream.sendall(request.encode())
    return stream


def read_to_the_end(stream: socket.socket) -> str:
    stream.settimeout(30)
    parts = []
    while part := stream.recv(65536):
        parts.append(part)
        if b"event: end" in part or part.endswith(b"0\r\n\r\n"):
            break
    return b"".join(parts).decode()


def test_two_hundred_streams_see_the_same_end(server: Server) -> None:
    worker = server.suspended_worker()
    task_id = queue_a_task(server)
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    streams = [open_stream(server, task_id) for _ in range(CLIENTS)]
    dead = [open_stream(server, task_id) for _ in range(20)]
    for stream in dead:
        stream.close()
    assert server.client.get("/health", timeout=10).status_code == 200
    threads = process.num_threads()
    worker.resume()
    with ThreadPoolExecutor(20) as pool:
        logs = list(pool.map(read_to_the_end, streams))
    assert all('"status":"complete"' in log.replace(" ", "") for log in logs)
    assert threads < 60  # the pool's, not one for each
    for stream in streams:
        stream.close()


def test_a_shutdown_does_not_wait_for_open_streams(server: Server) -> None:
    server.suspended_worker().resume()
    task_id = queue_a_task(server)
    server.wait(task_id)
    server.suspended_worker()
    waiting = queue_a_task(server)
    streams = [open_stream(server, waiting) for _ in range(5)]
    poll(lambda: all(stream.recv(100) for stream in streams))
    started = time.monotonic()
    server.terminate()
    assert time.monotonic() - started < 8
    for stream in streams:
        stream.close()

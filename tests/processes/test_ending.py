"""A server that ends still responds to callers that have connected before: to a proxy, no call has failed."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Served, poll

CALLERS = 40
TICK = 0.1
"""Seconds between two looks of uvicorn at whether it is to end."""
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path / "data", MATINEE_EMBEDDED_WORKER="off")
    server.start()
    yield server
    server.close()


def test_who_waits_to_be_accepted_when_it_ends_is_answered(server: Served) -> None:
    """It is stopped meanwhile, so that all of them have connected, and none is accepted yet."""
    kept = socket.create_connection(("127.0.0.1", server.port), 10)
    kept.sendall(REQUEST)
    first = b""
    while not first.endswith(b"}"):
        first += kept.recv(4096)
    assert first.startswith(b"HTTP/1.1 200")
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        callers = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(CALLERS)]
        for caller in (kept, *callers):
            caller.sendall(REQUEST)
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        poll(lambda: time.monotonic() - began > 3 * TICK)  # its look at signals is due when it goes on
    finally:
        server.process.send_signal(signal.SIGCONT)
    answers = [_whole(caller) for caller in (kept, *callers)]
    assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * (1 + CALLERS)
    assert b"connection: close" in answers[-1].lower()
    assert server.terminate() in (0, -signal.SIGTERM)


def _whole(caller: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    with caller:
        try:
            return b"".join(iter(lambda: caller.recv(4096), b""))
        except ConnectionResetError as error:
            return repr(error).encode()

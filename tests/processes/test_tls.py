"""`matinee serve` with a certificate: served as without, and slow clients end in time."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests import certificates
from tests.processes.test_slow_clients import (
    EXPORT,
    HALF_BODY,
    HALF_HEAD,
    Hurried,
    connections,
    fill,
    received,
)
from tests.server import Server, poll


class Secured(Hurried):
    """With a certificate of its own."""

    def __init__(self, folder: Path) -> None:
        cert, key = certificates.make(folder)
        super().__init__(folder / "data", MATINEE_TLS_CERT=cert, MATINEE_TLS_KEY=key)
        self.trust = ssl.create_default_context(cafile=cert)
        self.client.close()
        self.client = httpx.Client(base_url=f"https://127.0.0.1:{self.port}", timeout=30, verify=self.trust)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    server = Secured(tmp_path_factory.mktemp("tls"))
    server.start()
    fill(server)
    yield server
    server.close()


@pytest.fixture
def connect(server: Secured) -> Iterator[Callable[[bytes], socket.socket]]:
    """Open a connection with TLS, send something, and read nothing."""
    with contextlib.ExitStack() as stack:

        def connect(data: bytes) -> socket.socket:
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(20)
            plain.connect(("127.0.0.1", server.port))
            client = stack.enter_context(server.trust.wrap_socket(plain, server_hostname="127.0.0.1"))
            client.sendall(data)
            return client

        yield connect


Connect = Callable[[bytes], socket.socket]


def test_it_is_served_with_tls_and_browsers_are_to_stay_with_it(server: Secured) -> None:
    answer = server.client.get("/movies")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    made = server.client.post("/movies", json={"title": "A"}, headers={"Origin": str(server.client.base_url)})
    assert made.status_code == 201


def test_slow_heads_and_bodies_end_in_time(server: Server, connect: Connect) -> None:
    heads, bodies = [connect(HALF_HEAD) for _ in range(5)], [connect(HALF_BODY) for _ in range(5)]
    assert server.client.get("/movies").status_code == 200
    for client in heads + bodies:
        assert b"".join(received(client)).startswith(b"HTTP/1.1 408 ")


def test_readers_that_do_not_read_and_idle_connections_are_closed(server: Server, connect: Connect) -> None:
    server.client.get("/movies")
    _kept = [connect(data) for data in (EXPORT, b"") for _ in range(5)]
    poll(lambda: connections(server) < 5, within=60)


def test_a_handshake_that_does_not_begin_is_closed(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        assert b"".join(received(client)) == b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"GET /movies HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not b"".join(received(client)).startswith(b"HTTP/1.1 200")
    assert server.client.get("/movies").status_code == 200
    assert b"Traceback" not in server.data_dir.with_suffix(".log").read_bytes()

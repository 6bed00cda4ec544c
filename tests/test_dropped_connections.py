"""Retries against a real server that hangs up."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from app.retry_client import with_backoff

KEY = {"Idempotency-Key": "k1"}
Seen = list[tuple[str, str | None]]  # method and key of each request
StartDropping = Callable[[int], tuple[str, Seen]]


class Dropping(BaseHTTPRequestHandler):
    """Reads the request, then hangs up on the first `drops` of them."""

    drops: int
    seen: Seen

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.headers.get("Idempotency-Key")))
        if len(self.seen) > self.drops:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def dropping() -> Iterator[StartDropping]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(drops: int) -> tuple[str, Seen]:
        class Handler(Dropping):
            pass

        Handler.drops, Handler.seen = drops, []
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/ratings", Handler.seen

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


class TestDroppedConnections:
    def test_a_keyed_post_gets_through_with_one_key(self, dropping: StartDropping) -> None:
        url, seen = dropping(2)
        with httpx.Client(trust_env=False) as client:
            call = lambda: client.post(url, content=b"x", headers=KEY)  # noqa: E731
            assert with_backoff(call, sleep=lambda _: None).text == "ok"
        assert seen == [("POST", "k1")] * 3

    def test_a_bare_post_is_sent_once(self, dropping: StartDropping) -> None:
        url, seen = dropping(2)
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.RemoteProtocolError):
            with_backoff(lambda: client.post(url, content=b"x"), sleep=lambda _: None)
        assert seen == [("POST", None)]

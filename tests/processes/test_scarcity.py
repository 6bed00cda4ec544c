"""Scrapes that hang, and a disk that fills up under load: what was confirmed is kept, and others go on."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes.test_server import small_disk  # noqa: F401  (a fixture)
from tests.server import Server, poll

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
HANGING, SENT = 60, 400
WRITERS = 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data").start()
    server.client.timeout = 30
    yield server.ready()
    server.close()


def test_scrapes_that_are_not_read_hold_nobody_up(server: Server) -> None:
    size = len(server.client.get("/metrics").content)
    assert size * SENT > 1 << 21  # more than the buffers of a socket take
    with contextlib.ExitStack() as stack:
        for _ in range(HANGING):
            hanging = stack.enter_context(socket.socket())
            hanging.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            hanging.settimeout(20)
            hanging.connect(("127.0.0.1", server.port))
            hanging.sendall(SCRAPE * SENT)
        for _ in range(5):
            assert server.client.get("/metrics").status_code == 200
            assert server.client.get("/recommendations/1").status_code == 200
            rating = {"movie_id": 1, "user_id": 7, "score": 4}
            assert server.client.post("/ratings", json=rating).status_code in (200, 201)
        assert server.client.get("/health/ready").status_code == 200

    def are_gone() -> bool:
        text = server.client.get("/metrics").text
        lines = [one for one in text.splitlines() if one.startswith("http_server_active_requests")]
        return [float(one.rsplit(" ", 1)[1]) for one in lines] == [1.0]

    assert poll(are_gone, within=30)


@pytest.mark.proof
def test_a_disk_that_fills_up_under_load_loses_nothing_that_was_confirmed(
    small_disk: Path,  # noqa: F811
) -> None:
    server = Server(small_disk / "data").start().ready()
    movies = [movie["id"] for movie in server.client.get("/movies").raise_for_status().json()]
    confirmed: list[dict[str, int]] = []
    seen, ended, room = dict[int, int](), threading.Event(), threading.Event()

    def write(writer: int) -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=30) as client:
            number = 0
            while not ended.is_set():
                number += 1
                rating = {
                    "movie_id": movies[number % len(movies)],
                    "user_id": writer * 1_000_000 + number,
                    "score": 4,
                }
                answer = client.post("/ratings", json=rating)
                seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
                if answer.status_code == 201:
                    confirmed.append(rating)
                    if room.is_set():
                        after.add(writer)

    after = set[int]()
    writers = [threading.Thread(target=write, args=(number,)) for number in range(1, WRITERS + 1)]
    for writer in writers:
        writer.start()
    poll(lambda: len(confirmed) > 50)
    with (small_disk / "ballast").open("wb", buffering=0) as ballast:

        def is_full() -> bool:
            with contextlib.suppress(OSError):
                while ballast.write(bytes(1 << 12)):
                    pass
            return seen.get(507, 0) > 20

        poll(is_full, within=120)
    assert server.client.get("/recommendations/1").status_code == 200
    assert server.client.get("/health/ready").status_code == 503
    (small_disk / "ballast").unlink()
    room.set()
    poll(lambda: len(after) == WRITERS, within=60)
    ended.set()
    for writer in writers:
        writer.join(60)
    assert set(seen) == {201, 507}
    for rating in confirmed:
        (found,) = server.client.get("/ratings", params={"user_id": rating["user_id"]}).json()
        assert {name: found[name] for name in rating} == rating
    assert poll(lambda: server.client.get("/health/ready").status_code == 200)
    server.close()

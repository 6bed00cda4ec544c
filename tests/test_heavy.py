"""Heavy requests take turns, wait for a bounded time, and end with their caller."""

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import uvicorn

from app.api.edge.places import READERS
from app.config import Settings
from app.errors import Unavailable
from app.main import create_app
from app.service import Service
from app.serving.heavy import COST, Caller, Heavy
from tests.server import free_port, poll

RATING = {"movie_id": 1, "score": 5}


THERE = Caller(lambda: False)


def test_one_heavy_request_at_a_time_and_light_ones_pass() -> None:
    heavy = Heavy()
    at_work: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with heavy.turn(COST, THERE) as step:
            at_work.append(number)
            most.append(len(at_work))
            step()
            at_work.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    with heavy.turn(COST, THERE):
        for thread in threads:
            thread.start()
        with heavy.turn(COST - 1, THERE) as step:
            step()
    for thread in threads:
        thread.join(10)
    assert most == [1] * 8


def test_one_that_finds_too_many_waiting_or_waits_too_long_is_refused_with_when_to_come_back() -> None:
    full, slow = Heavy(waiting=0), Heavy(longest_wait=0.0)
    for heavy in (full, slow):
        with heavy.turn(COST, THERE):
            with pytest.raises(Unavailable) as refused, heavy.turn(COST, THERE):
                pass
            assert refused.value.headers["Retry-After"]
        with heavy.turn(COST, THERE):  # everything was given back
            pass


def test_the_work_of_a_caller_that_left_ends() -> None:
    heavy, gone = Heavy(), threading.Event()
    ended: list[str] = []

    def wait() -> None:
        try:
            with heavy.turn(COST, Caller(gone.is_set)):
                ended.append("worked")
        except Unavailable:
            ended.append("left")

    waiting = threading.Thread(target=wait)
    with heavy.turn(COST, Caller(gone.is_set)) as step:
        waiting.start()
        step()
        gone.set()
        waiting.join(10)
        assert ended == ["left"]
        with pytest.raises(Unavailable):
            poll(step)  # looks every tenth of a second
    with heavy.turn(COST, THERE):
        pass


@pytest.fixture
def served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Service, int]]:
    """A service whose lists are all heavy, and its port."""
    monkeypatch.setattr("app.serving.heavy.BRIEF", 0)
    monkeypatch.setattr("app.serving.heavy.COST", 1)
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", port=free_port()))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    poll(lambda: server.started)
    httpx.post(f"http://127.0.0.1:{server.config.port}/ratings", json=RATING | {"user_id": 7})
    yield app.state.service, server.config.port
    server.should_exit = True
    thread.join(10)


def test_a_request_over_a_socket_ends_with_its_caller(served: tuple[Service, int]) -> None:
    service, port = served
    what_if = json.dumps({"ratings": [RATING]})
    for method, path, body in (
        ("POST", "/recommendations", what_if),
        ("GET", "/users/7/recommendations", None),
    ):
        caller = http.client.HTTPConnection("127.0.0.1", port)
        with service.heavy.turn(1, THERE):
            caller.request(method, path, body, {"Content-Type": "application/json"})
            poll(lambda: service.heavy.waiting == 1)
            caller.close()
            poll(lambda: service.heavy.waiting == 0, within=5)
        caller.request(method, path, body, {"Content-Type": "application/json"})
        assert caller.getresponse().status == 200
        caller.close()


def test_requests_that_wait_for_their_turn_hold_no_others_up(served: tuple[Service, int]) -> None:
    service, port = served
    url = f"http://127.0.0.1:{port}"
    with ThreadPoolExecutor(2 * READERS) as pool, httpx.Client(base_url=url, timeout=4) as client:
        with service.heavy.turn(1, THERE):
            waiting = [pool.submit(httpx.get, f"{url}/users/7/recommendations") for _ in range(2 * READERS)]
            poll(lambda: service.heavy.waiting == 2 * READERS)
            assert client.get("/ratings").status_code == 200
        assert [one.result().status_code for one in waiting] == [200] * 2 * READERS
        # Each has given its place back once.
        busy = [pool.submit(client.get, "/ratings") for _ in range(4 * READERS)]
        assert {one.result().status_code for one in busy} == {200}

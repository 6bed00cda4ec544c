"""Heavy requests take turns, wait for a bounded time, and end with their caller."""

import threading

import pytest

from app.errors import Unavailable
from app.heavy import COST, Heavy
from tests.server import poll


def never() -> bool:
    return False


def test_one_heavy_request_at_a_time_and_light_ones_pass() -> None:
    heavy = Heavy()
    at_work: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with heavy.turn(COST, never) as step:
            at_work.append(number)
            most.append(len(at_work))
            step()
            at_work.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    with heavy.turn(COST, never):
        for thread in threads:
            thread.start()
        with heavy.turn(COST - 1, never) as step:
            step()
    for thread in threads:
        thread.join(10)
    assert most == [1] * 8


def test_one_that_finds_too_many_waiting_or_waits_too_long_is_refused_with_when_to_come_back() -> None:
    full, slow = Heavy(waiting=0), Heavy(longest_wait=0.0)
    for heavy in (full, slow):
        with heavy.turn(COST, never):
            with pytest.raises(Unavailable) as refused, heavy.turn(COST, never):
                pass
            assert refused.value.headers["Retry-After"]
        with heavy.turn(COST, never):  # everything was given back
            pass


def test_the_work_of_a_caller_that_left_ends() -> None:
    heavy, gone = Heavy(), threading.Event()
    ended: list[str] = []

    def wait() -> None:
        try:
            with heavy.turn(COST, gone.is_set):
                ended.append("worked")
        except Unavailable:
            ended.append("left")

    waiting = threading.Thread(target=wait)
    with heavy.turn(COST, gone.is_set) as step:
        waiting.start()
        step()
        gone.set()
        waiting.join(10)
        assert ended == ["left"]
        with pytest.raises(Unavailable):
            poll(step)  # looks every tenth of a second
    with heavy.turn(COST, never):
        pass

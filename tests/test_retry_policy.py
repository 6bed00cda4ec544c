"""Waits, Retry-After and the budget, by themselves."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.retry_client import RetryBudget, RetryPolicy, retry_after


class Edge(Random):
    """Jitter at the top of its range, or at the bottom."""

    def __init__(self, top: bool = True) -> None:
        super().__init__()
        self.top = top

    def uniform(self, a: float, b: float) -> float:
        return b if self.top else a


class TestPolicy:
    @pytest.mark.parametrize(
        "wrong", [{"attempts": 0}, {"deadline": -1}, {"base": float("nan")}, {"cap": -1}, {"jitter": -0.1}]
    )
    def test_nonsense_is_refused(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RetryPolicy(**wrong)  # type: ignore[arg-type]

    def test_the_defaults_are_the_published_ones(self) -> None:
        policy = RetryPolicy()
        assert (policy.attempts, policy.deadline) == (3, 30.0)
        assert policy.budget is not None
        assert policy.budget.capacity == 500


class TestPause:
    @given(st.integers(0, 12), st.randoms(use_true_random=False))
    def test_full_jitter_under_a_doubling_ceiling(self, failures: int, random: Random) -> None:
        policy = RetryPolicy()
        assert 0 <= policy.pause(failures, False, None, random) <= min(5.0, 0.1 * 2**failures)
        assert policy.pause(failures, False, None, Edge()) == min(5.0, 0.1 * 2**failures)
        assert policy.pause(failures, True, None, Edge()) == min(20.0, 1.0 * 2**failures)
        assert policy.pause(failures, True, None, Edge(top=False)) == 0

    @given(st.floats(0, 1e6), st.integers(0, 3000), st.booleans(), st.sampled_from([None, 0.0, 0.2]))
    def test_never_sooner_than_retry_after(
        self, asked: float, failures: int, throttled: bool, jitter: float | None
    ) -> None:
        policy = RetryPolicy(jitter=jitter)
        assert policy.pause(failures, throttled, asked, Random(failures)) >= asked
        if jitter is None:
            assert policy.pause(failures, throttled, asked, Edge()) > asked


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0.0),
            ("120", 120.0),
            ("1.5", 1.5),
            (" 3 ", 3.0),
            ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
            ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
            ("Sun Nov  6 08:49:47 1994", 10.0),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
            ("-5", None),
            ("Sun, 06 Nov 1994 08:49:37 +" + "9" * 18, None),
            ("soon", None),
            ("1e3", None),
            ("", None),
        ],
    )
    def test_seconds_or_any_http_date(self, value: str, seconds: float | None) -> None:
        response = httpx.Response(503, headers={"Retry-After": value})
        assert retry_after(response, now=784111777.0) == seconds

    def test_a_date_without_a_zone_is_gmt_wherever_the_client_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        response = httpx.Response(503, headers={"Retry-After": "Sun Nov  6 08:49:47 1994"})
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "JST-9")
            time.tzset()
            asked = retry_after(response, now=784111777.0)
        time.tzset()
        assert asked == 10.0

    def test_a_date_is_taken_against_the_servers_clock(self) -> None:
        headers = {
            "Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT",
            "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
        }
        assert retry_after(httpx.Response(503, headers=headers), now=4e9) == 10.0

    @given(st.integers(0, 4_000_000_000), st.floats(0, 4e9))
    def test_dates_are_exact_and_never_negative(self, moment: int, now: float) -> None:
        value = format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)
        assert retry_after(httpx.Response(503, headers={"Retry-After": value}), now) == max(0.0, moment - now)

    @given(st.binary() | st.from_regex(r"\w{3}, \d\d \w{3} \d{1,6} \d\d:\d\d:\d\d \w*").map(str.encode))
    def test_no_value_breaks_it(self, value: bytes) -> None:
        asked = retry_after(httpx.Response(503, headers=[(b"Retry-After", value)]), 0.0)
        assert asked is None or asked >= 0


class TestRetryBudget:
    def test_one_policy_is_one_budget_over_its_variants(self) -> None:
        policy = RetryPolicy()
        assert replace(policy, attempts=9).budget is policy.budget
        assert RetryPolicy().budget is not policy.budget

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 600)), max_size=30))
    def test_it_stays_between_nothing_and_its_capacity(self, moves: list[tuple[bool, int]]) -> None:
        budget, expected = RetryBudget(), 500
        for withdraws, tokens in moves:
            if withdraws:
                assert budget.withdraw("a", tokens) == (tokens <= expected)
                expected -= tokens if tokens <= expected else 0
            else:
                budget.refund("a", tokens)
                expected = min(500, expected + tokens)
            assert budget.remaining("a") == expected
        assert budget.remaining("b") == 500

    def test_the_last_token_can_be_spent(self) -> None:
        budget = RetryBudget(28)
        assert [budget.withdraw("a", 14) for _ in range(3)] == [True, True, False]

    def test_threads_share_it_exactly(self) -> None:
        budget = RetryBudget(10_000)
        granted: list[bool] = []

        def spend() -> None:
            granted.extend(budget.withdraw("a", 3) for _ in range(1000))

        threads = [threading.Thread(target=spend) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (sum(granted), budget.remaining("a")) == (3333, 1)

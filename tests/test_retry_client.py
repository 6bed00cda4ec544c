"""The retry rules, on a clock that only moves when the code sleeps or an attempt takes time."""

import logging
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO, IOBase
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import retry_client
from app.retry_client import (
    IDEMPOTENT_METHODS,
    RetryBudget,
    RetryPolicy,
    retry,
    with_backoff,
)

URL = "http://matinee.test/movies"
KEY = {"Idempotency-Key": "k1"}
NEVER_SENT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError]
MAYBE_EXECUTED = [
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.CloseError,
    httpx.RemoteProtocolError,
]
HOPELESS = [httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.DecodingError, httpx.TooManyRedirects]
RETRIED = [408, 425, 429, 500, 502, 503, 504]


class Clock:
    """Time that passes by sleeping, and by `takes` seconds an attempt."""

    def __init__(self, takes: float = 0.0) -> None:
        self.now, self.takes = 1000.0, takes
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Stream(httpx.SyncByteStream):
    closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b""

    def close(self) -> None:
        self.closed = True


class Edge(Random):
    """Jitter at the top of its range, or at the bottom."""

    def __init__(self, top: bool = True) -> None:
        super().__init__()
        self.top = top

    def uniform(self, a: float, b: float) -> float:
        return b if self.top else a


Step = httpx.Response | type[Exception]


class Call:
    """A function with a clock of its own."""

    def __init__(self, func: Callable[[], httpx.Response]) -> None:
        self.func, self.clock = func, Clock()

    def __call__(self) -> httpx.Response:
        return self.func()


class Server:
    """Returns one step an attempt, and the last one for ever; counts the attempts."""

    def __init__(
        self, *steps: Step, method: str = "GET", headers: dict[str, str] | None = None, url: str = URL
    ) -> None:
        self.steps, self.calls, self.clock = steps, 0, Clock()
        self.request = httpx.Request(method, url, headers=headers)
        self.client = httpx.Client(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        step = self.steps[min(self.calls, len(self.steps) - 1)]
        self.calls += 1
        self.clock.now += self.clock.takes
        if isinstance(step, httpx.Response):
            return httpx.Response(step.status_code, headers=step.headers, content=step.content)
        raise step("broken")

    def __call__(self) -> httpx.Response:
        return self.client.send(self.request)


def run(server: Server, random: Random | None = None, **policy: object) -> httpx.Response:
    limits = replace(RetryPolicy(), **policy)  # type: ignore[arg-type]
    return retry(
        server, limits, sleep=server.clock.sleep, clock=server.clock, random=random or Edge(top=False)
    )


def backoff(server: Server | Call, random: Random | None = None, **arguments: object) -> httpx.Response:
    retry_client.SHARED_BUDGET = RetryBudget()  # else what one test spends is missing in the next
    return with_backoff(
        server,
        sleep=server.clock.sleep,
        clock=server.clock,
        random=random or Edge(),
        **arguments,  # type: ignore[arg-type]
    )


def attempts(step: Step, method: str, headers: dict[str, str] | None = None) -> int:
    server = Server(step, method=method, headers=headers)
    with pytest.raises(httpx.HTTPError):
        run(server)
    return server.calls


ok, down = httpx.Response(200, json=[7]), httpx.Response(503)


class TestWhatIsRetried:
    @pytest.mark.parametrize("error", NEVER_SENT)
    @pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
    def test_a_request_that_was_never_sent_whatever_its_method(
        self, error: type[Exception], method: str
    ) -> None:
        assert attempts(error, method) == 3

    @pytest.mark.parametrize("step", [*MAYBE_EXECUTED, *map(httpx.Response, RETRIED)], ids=str)
    def test_a_request_that_may_have_run_only_if_a_second_run_does_no_harm(self, step: Step) -> None:
        assert {method: attempts(step, method) for method in IDEMPOTENT_METHODS} == dict.fromkeys(
            IDEMPOTENT_METHODS, 3
        )
        assert attempts(step, "POST") == attempts(step, "PATCH") == 1
        assert attempts(step, "POST", KEY) == attempts(step, "POST", {"X-Task-Id": "t"}) == 3
        assert attempts(step, "POST", {"Idempotency-Key": ""}) == 1

    @pytest.mark.parametrize("status", sorted(set(range(400, 600)) - set(RETRIED)))
    def test_no_other_status(self, status: int) -> None:
        assert attempts(httpx.Response(status), "GET") == 1

    @pytest.mark.parametrize("error", HOPELESS)
    def test_no_error_that_the_next_attempt_must_repeat(self, error: type[Exception]) -> None:
        assert attempts(error, "GET", KEY) == 1

    def test_a_conflict_only_when_it_says_in_progress(self) -> None:
        in_progress = httpx.Response(409, headers={"Retry-After": "1"})
        assert attempts(in_progress, "POST", KEY) == 3
        assert attempts(httpx.Response(409), "POST", KEY) == 1
        assert attempts(in_progress, "POST") == 1

    def test_a_bad_certificate_stays_bad(self) -> None:
        calls: list[int] = []

        def call() -> httpx.Response:
            calls.append(1)
            try:
                raise ssl.SSLCertVerificationError("self-signed")
            except ssl.SSLCertVerificationError as cause:
                raise httpx.ConnectError("certificate verify failed") from cause

        with pytest.raises(httpx.ConnectError):
            retry(call, RetryPolicy(), sleep=Clock().sleep)
        assert calls == [1]

    def test_an_error_without_a_request_only_if_nothing_was_sent(self) -> None:
        def fail(error: httpx.HTTPError) -> int:
            calls: list[int] = []

            def call() -> httpx.Response:
                calls.append(1)
                raise error

            with pytest.raises(type(error)):
                retry(call, RetryPolicy(), sleep=Clock().sleep)
            return len(calls)

        assert fail(httpx.ConnectError("refused")) == 3
        assert fail(httpx.ReadTimeout("late")) == 1

    def test_other_exceptions_pass_through(self) -> None:
        server = Server(KeyError)
        with pytest.raises(KeyError):
            run(server)
        assert server.calls == 1


class TestHowItEnds:
    def test_negative_retries_are_refused(self) -> None:
        with pytest.raises(ValueError, match="attempts"):
            with_backoff(Server(ok), retries=-1)

    def test_a_success_ends_it(self) -> None:
        server = Server(down, httpx.ReadTimeout, ok)
        assert run(server).json() == [7]
        assert server.calls == 3

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 304])
    def test_success_is_2xx_or_not_modified(self, status: int) -> None:
        assert backoff(Server(httpx.Response(status))).status_code == status

    def test_a_redirect_that_is_not_followed_is_a_failure(self) -> None:
        server = Server(httpx.Response(307, headers={"Location": "https://matinee.test/movies"}))
        with pytest.raises(httpx.HTTPStatusError):
            backoff(server)
        assert server.calls == 1

    def test_with_backoff_makes_every_retry_asked_for(self) -> None:
        server = Server(httpx.Response(500))
        with pytest.raises(httpx.HTTPStatusError):
            backoff(server, retries=100, backoff_factor=0.01)
        assert server.calls == 101

    def test_the_last_failed_response_is_raised_with_its_reason(self) -> None:
        server = Server(httpx.Response(500), httpx.Response(502), httpx.Response(504, text="late"))
        with pytest.raises(httpx.HTTPStatusError) as caught:
            run(server)
        assert (caught.value.response.status_code, caught.value.response.text) == (504, "late")
        assert caught.value.request.url == URL
        assert "no attempts left" in caught.value.__notes__[0]

    def test_the_last_exception_is_raised_itself(self) -> None:
        errors = [httpx.ConnectError("first"), httpx.ConnectError("second"), httpx.ConnectError("third")]
        remaining = iter(errors)

        def call() -> httpx.Response:
            raise next(remaining)

        with pytest.raises(httpx.ConnectError) as caught:
            retry(call, RetryPolicy(), sleep=Clock().sleep)
        assert caught.value is errors[2]

    def test_a_status_error_of_the_callers_own_is_judged_by_its_response(self) -> None:
        server = Server(down, ok)
        assert retry(lambda: server().raise_for_status(), sleep=server.clock.sleep).json() == [7]

    def test_a_failed_response_without_a_request_is_raised_not_retried(self) -> None:
        with pytest.raises(httpx.HTTPStatusError, match="503"):
            retry(lambda: httpx.Response(503), sleep=Clock().sleep)

    @given(st.integers(0, 8))
    def test_it_never_sleeps_after_the_last_attempt(self, retries: int) -> None:
        server = Server(down)
        with pytest.raises(httpx.HTTPStatusError):
            backoff(server, retries=retries)
        assert (server.calls, len(server.clock.slept)) == (retries + 1, retries)

    def test_a_response_given_up_is_closed_before_the_wait(self) -> None:
        first, second = Stream(), Stream()
        answers = iter([httpx.Response(503, stream=first), httpx.Response(200, stream=second)])
        request = httpx.Request("GET", URL)
        client = httpx.Client(transport=httpx.MockTransport(lambda _: next(answers)))
        closed: list[bool] = []
        retry(lambda: client.send(request, stream=True), sleep=lambda _: closed.append(first.closed))
        assert closed == [True]
        assert not second.closed


class TestHowLongItWaits:
    def test_throttled_answers_use_their_own_base(self) -> None:
        for status, slept in [(429, [1.0, 2.0]), (503, [1.0, 2.0]), (500, [0.1, 0.2])]:
            server = Server(httpx.Response(status))
            with pytest.raises(httpx.HTTPStatusError):
                run(server, Edge())
            assert server.clock.slept == slept

    def test_retry_after_replaces_the_backoff_and_jitter_comes_on_top(self) -> None:
        server = Server(httpx.Response(503, headers={"Retry-After": "7"}), ok)
        run(server, Edge())
        assert server.clock.slept == [8.0]
        server = Server(httpx.Response(429, headers={"Retry-After": "7"}), ok)
        backoff(server)
        assert server.clock.slept == [7.2]

    def test_with_backoff_doubles_from_the_factor_up_to_a_cap(self) -> None:
        server = Server(httpx.Response(500))
        with pytest.raises(httpx.HTTPStatusError):
            backoff(server, retries=8, jitter=0.25)
        assert server.clock.slept == [0.75, 1.25, 2.25, 4.25, 8.25, 16.25, 20.25, 20.25]

    @given(st.floats(0, 2), st.floats(0, 2), st.integers(0, 6), st.integers())
    def test_with_backoff_waits_between_its_factor_and_its_jitter(
        self, factor: float, jitter: float, retries: int, seed: int
    ) -> None:
        server = Server(httpx.ConnectError)
        with pytest.raises(httpx.ConnectError):
            backoff(server, Random(seed), retries=retries, backoff_factor=factor, jitter=jitter)
        for n, slept in enumerate(server.clock.slept):
            assert min(20, factor * 2**n) <= slept <= min(20, factor * 2**n) + jitter


class TestDeadline:
    def test_no_attempt_starts_after_it(self) -> None:
        server = Server(httpx.ReadTimeout)
        server.clock.takes = 10.0
        with pytest.raises(httpx.ReadTimeout) as caught:
            run(server, Edge(), attempts=99)
        assert server.calls == 3
        assert "deadline of 30 s" in caught.value.__notes__[0]

    def test_a_retry_after_past_it_fails_at_once(self) -> None:
        for asked in ["31", "9" * 5000]:
            server = Server(httpx.Response(503, headers={"Retry-After": asked}))
            with pytest.raises(httpx.HTTPStatusError):
                backoff(server)
            assert (server.calls, server.clock.slept) == (1, [])

    def test_one_before_it_is_waited_for(self) -> None:
        server = Server(httpx.Response(503, headers={"Retry-After": "29"}), ok)
        assert backoff(server).is_success

    def test_retries_asked_for_that_alone_take_longer_are_all_made(self) -> None:
        server = Server(httpx.Response(500))
        server.clock.takes = 1.0
        with pytest.raises(httpx.HTTPStatusError):
            backoff(server, retries=12)
        assert server.calls == 13

    def test_slow_attempts_end_with_backoff_after_30_s(self) -> None:
        server = Server(httpx.ReadTimeout)
        server.clock.takes = 10.0
        with pytest.raises(httpx.ReadTimeout):
            backoff(server)
        assert server.calls == 3

    def test_the_policys_deadline_binds_with_backoff(self) -> None:
        server = Server(down)
        with pytest.raises(httpx.HTTPStatusError):
            backoff(server, policy=RetryPolicy(deadline=2.0))
        assert server.clock.slept == [0.7, 1.2]


class TestRetryBudget:
    def test_a_retry_costs_14_a_throttled_one_5_and_a_success_refunds(self) -> None:
        budget, host = RetryBudget(), "matinee.test"
        costs: list[tuple[Step, int]] = [(httpx.ConnectError, 14), (httpx.Response(500), 14), (down, 5)]
        for step, cost in costs:
            before = budget.remaining(host)
            with pytest.raises(httpx.HTTPError):
                run(Server(step), attempts=2, budget=budget)
            assert before - budget.remaining(host) == cost
        left = budget.remaining(host)
        run(Server(down, ok), budget=budget)
        assert budget.remaining(host) == left  # what the retry took came back
        run(Server(ok), budget=budget)
        assert budget.remaining(host) == left + 1
        with pytest.raises(httpx.HTTPStatusError):
            run(Server(httpx.Response(404)), budget=budget)
        assert budget.remaining(host) == left + 1

    def test_when_it_is_spent_calls_fail_at_their_first_attempt(self) -> None:
        budget = RetryBudget()
        server = Server(httpx.ConnectError)
        for _ in range(100):
            with pytest.raises(httpx.ConnectError) as caught:
                run(server, budget=budget)
        assert server.calls == 100 + 500 // 14
        assert "budget of matinee.test is spent" in caught.value.__notes__[0]
        assert run(Server(httpx.ConnectError, ok, url="http://other.test/"), budget=budget).is_success

    def test_calls_without_a_policy_share_one_by_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retry_client, "SHARED_BUDGET", RetryBudget())
        server, other = Server(httpx.ConnectError), Server(httpx.ConnectError, ok, url="http://other.test/")
        for _ in range(100):
            with pytest.raises(httpx.ConnectError):
                with_backoff(server, sleep=server.clock.sleep)
        assert server.calls == 100 + 500 // 14  # not 600
        assert with_backoff(other, sleep=other.clock.sleep).is_success

    def test_a_call_alone_is_not_limited_by_it(self) -> None:
        server = Server(httpx.ConnectError)
        with pytest.raises(httpx.ConnectError):
            backoff(server, retries=50)
        assert server.calls == 51


class TestBodies:
    """A body that was used up is not sent again as if it were whole."""

    def sent(self, make: Callable[[], Any], field: str = "content") -> list[bytes]:
        """The bodies of every attempt; the server fails the first one once it has read it."""
        bodies: list[bytes] = []

        class Failing(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                assert isinstance(request.stream, httpx.SyncByteStream)
                bodies.append(b"".join(request.stream))
                return httpx.Response(200 if len(bodies) > 1 else 503)

        body = make()
        client = httpx.Client(transport=Failing())
        with suppress(httpx.HTTPStatusError):
            backoff(Call(lambda: client.post(URL, headers=KEY, **{field: body})))
        for opened in body.values() if isinstance(body, dict) else [body]:
            if isinstance(opened, IOBase):
                opened.close()
        return bodies

    def test_bytes_and_whatever_can_be_iterated_again_are_sent_again(self) -> None:
        for make in (lambda: b"abc", lambda: [b"ab", b"c"]):
            assert self.sent(make) == [b"abc", b"abc"]

    def test_a_file_is_sent_from_its_start(self, tmp_path: Path) -> None:
        path = tmp_path / "ratings.csv"
        path.write_bytes(b"abc")
        assert self.sent(lambda: path.open("rb")) == [b"abc", b"abc"]
        assert self.sent(lambda: BytesIO(b"abc")) == [b"abc", b"abc"]
        forms = self.sent(lambda: {"file": path.open("rb")}, "files")
        assert [b"abc" in form for form in forms] == [True, True]

    def test_a_generator_or_a_pipe_is_sent_once(self) -> None:
        def pipe() -> Any:
            reading, writing = os.pipe()
            os.write(writing, b"abc")
            os.close(writing)
            return os.fdopen(reading, "rb")

        for make in (lambda: (part for part in (b"ab", b"c")), lambda: iter([b"abc"]), pipe):
            assert self.sent(make) == [b"abc"]

    def test_a_generator_that_was_not_touched_is_sent(self) -> None:
        bodies: list[bytes] = []

        class Refusing(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                bodies.append(b"")
                if len(bodies) == 1:
                    raise httpx.ConnectError("refused", request=request)
                bodies[-1] = request.read()
                return httpx.Response(200)

        client, body = httpx.Client(transport=Refusing()), (part for part in (b"ab", b"c"))
        backoff(Call(lambda: client.post(URL, headers=KEY, content=body)))
        assert bodies == [b"", b"abc"]

    def test_it_says_why(self) -> None:
        client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
        body = iter([b"abc"])
        with pytest.raises(httpx.HTTPStatusError) as caught:
            backoff(Call(lambda: client.post(URL, headers=KEY, content=body)))
        assert "can be sent only once" in caught.value.__notes__[0]


@pytest.mark.filterwarnings("error")
def test_an_async_function_is_refused_with_the_reason() -> None:
    async def call() -> httpx.Response:
        return ok

    with pytest.raises(TypeError, match=r"httpx\.Response, not a coroutine.*async"):
        with_backoff(call)  # type: ignore[arg-type]


class TestLog:
    def test_each_attempt_is_logged_without_secrets(self, caplog: pytest.LogCaptureFixture) -> None:
        url = "http://user:pass@matinee.test/movies%0Aforged?api_key=hush#frag"
        server = Server(down, httpx.ReadTimeout, ok, url=url, headers={"X-API-Key": "hidden"})
        with caplog.at_level(logging.INFO, "app.retry_client"):
            backoff(server)
        lines = [record.getMessage() for record in caplog.records if record.name == "app.retry_client"]
        place = "GET http://matinee.test/movies%0Aforged: attempt"
        assert lines == [
            f"{place} 1 of 6: 503 Service Unavailable; next in 0.70 s",
            f"{place} 2 of 6: ReadTimeout; next in 1.20 s",
            f"{place} 3 of 6: 200 OK",
        ]

    def test_the_error_holds_no_query(self) -> None:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            backoff(Server(httpx.Response(404), url=URL + "?token=hush"))
        assert str(caught.value) == "GET http://matinee.test/movies: 404 Not Found"

    def test_giving_up_says_why(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(httpx.HTTPStatusError):
            backoff(Server(httpx.Response(404)))
        assert "404 Not Found; not to be retried" in caplog.text

"""Retries for HTTP calls: which are repeated, when, and how often.

The rules follow RFC 9110 (9.2.2 idempotent methods, 10.2.3 Retry-After), the AWS SDKs' standard retry
mode (full jitter, retry quota) and "Handling Overload" in the SRE book. Retry in one layer only: give
the calls made here a transport without retries of its own (httpx's default).
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random, SystemRandom

import httpx

from app.outcome import IDEMPOTENT_METHODS, Outcome

__all__ = ["IDEMPOTENT_METHODS", "RetryBudget", "RetryPolicy", "retry", "retry_after", "with_backoff"]

LOG = logging.getLogger(__name__)
RANDOM = SystemRandom()
"""Forked processes must not share a sequence of jitter."""
RETRY_COST, THROTTLED_COST, FIRST_TRY_REFUND = 14, 5, 1
"""Tokens of a `RetryBudget`."""


class RetryBudget:
    """Tokens that retries spend and successes refund, kept apart by host; safe between threads.

    While a host is down, the budget runs out and calls fail at their first attempt instead of multiplying
    the load. What a call has spent itself does not limit it while no other call has failed.
    """

    def __init__(self, capacity: int = 500) -> None:
        self.capacity = capacity
        self._spent: dict[str, int] = {}
        self._lock = threading.Lock()

    def remaining(self, host: str) -> int:
        with self._lock:
            return self.capacity - self._spent.get(host, 0)

    def withdraw(self, host: str, tokens: int, own: int = 0) -> bool:
        """Take the tokens, or none of them and return False. `own`: those that this call has taken before."""
        with self._lock:
            before = self._spent.get(host, 0)
            alone = 0 < before <= own
            if before + tokens > self.capacity and not alone:
                return False
            self._spent[host] = min(before + tokens, self.capacity)
            return True

    def refund(self, host: str, tokens: int) -> None:
        """Give tokens back; the budget never exceeds its capacity."""
        with self._lock:
            spent = self._spent.pop(host, 0) - tokens
            if spent > 0:
                self._spent[host] = spent


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to retry. Times are seconds.

    The wait after failed attempt n (from 0) is `uniform(0, min(cap, base * 2**n))`, "full jitter"; with a
    `jitter` it is `min(cap, base * 2**n) + uniform(0, jitter)`. Throttled responses (429, 503, 409 in
    progress) have their own base and cap. A Retry-After is the least wait, the random part comes on top.
    No attempt starts later than `deadline` after the first; a running one has its own timeouts.
    """

    attempts: int = 3
    deadline: float = 30.0
    base: float = 0.1
    cap: float = 5.0
    throttled_base: float = 1.0
    throttled_cap: float = 20.0
    jitter: float | None = None
    budget: RetryBudget | None = field(default_factory=RetryBudget, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(
                f"RetryPolicy.attempts is {self.attempts}: the first attempt counts, give 1 or more"
            )
        for name in ("deadline", "base", "cap", "throttled_base", "throttled_cap", "jitter"):
            value = getattr(self, name)
            if value is not None and not value >= 0:  # also refuses NaN
                raise ValueError(f"RetryPolicy.{name} is {value}: give seconds, 0 or more")

    def ceiling(self, failures: int, throttled: bool = False) -> float:
        """Seconds of backoff after so many earlier failures, without jitter."""
        base, cap = (self.throttled_base, self.throttled_cap) if throttled else (self.base, self.cap)
        return float(min(cap, base * 2 ** min(failures, 64)))  # 2**1024 would overflow a float

    def pause(self, failures: int, throttled: bool, retry_after: float | None, random: Random) -> float:
        """Seconds to wait before the next attempt."""
        ceiling = self.ceiling(failures, throttled)
        spread = ceiling if self.jitter is None else self.jitter
        backoff = 0.0 if self.jitter is None else ceiling
        return (backoff if retry_after is None else retry_after) + random.uniform(0, spread)


DEFAULT_POLICY = RetryPolicy()
SHARED_BUDGET = RetryBudget()
"""The budget of all calls in this process that have no policy."""


def retry_after(response: httpx.Response, now: float) -> float | None:
    """Seconds that Retry-After asks for; None without a valid one. `now`: epoch seconds.

    A date is compared with the response's own Date if there is one, so that a wrong clock of the client
    does no harm (RFC 9110, sections 10.2.3 and 5.6.7).
    """
    value = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    moment, sent = _epoch(value), _epoch(response.headers.get("Date", ""))
    return None if moment is None else max(0.0, moment - (now if sent is None else sent))


def _epoch(http_date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(http_date)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry(
    func: Callable[[], httpx.Response],
    policy: RetryPolicy = DEFAULT_POLICY,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    random: Random = RANDOM,
) -> httpx.Response:
    """Call `func` until it succeeds or the policy ends it; each attempt is logged.

    Raises the exception of the last attempt, or `HTTPStatusError` if its response is a failure, with a note
    that says why no further attempt was made.
    """
    started, number, cost, spent = clock(), 1, 0, 0
    while True:
        outcome = Outcome.of(func)
        if (answer := outcome.answer) is not None:
            LOG.info("%s: attempt %d of %d: %s", outcome.target, number, policy.attempts, outcome)
            if policy.budget:
                policy.budget.refund(outcome.host, cost or FIRST_TRY_REFUND)
            return answer
        asked = retry_after(outcome.response, time.time()) if outcome.response else None
        pause = policy.pause(number - 1, outcome.throttled, asked, random)
        cost = THROTTLED_COST if outcome.throttled else RETRY_COST
        refusal = _refusal(policy, outcome, number, clock() - started + pause, cost, spent)
        verdict = refusal or f"next in {pause:.2f} s"
        LOG.warning("%s: attempt %d of %d: %s; %s", outcome.target, number, policy.attempts, outcome, verdict)
        if refusal:
            failure = outcome.failure
            failure.add_note(f"attempt {number} of {policy.attempts}: {refusal}")
            raise failure
        if outcome.response is not None:
            outcome.response.close()  # a streamed response would keep its connection
        sleep(pause)
        number, spent = number + 1, spent + cost


def _refusal(
    policy: RetryPolicy, outcome: Outcome, number: int, elapsed: float, cost: int, spent: int
) -> str:
    """Why no further attempt may start, `elapsed` seconds after the first; empty if it may."""
    if not outcome.transient:
        return "not to be retried"
    if number >= policy.attempts:
        return "no attempts left"
    if elapsed > policy.deadline:
        return f"the next attempt would pass the deadline of {policy.deadline:g} s"
    if not outcome.resendable:
        return "its body can be sent only once; give bytes, or a file"
    if policy.budget and not policy.budget.withdraw(outcome.host, cost, spent):
        return f"the retry budget of {outcome.host} is spent"
    return ""


def with_backoff(
    func: Callable[[], httpx.Response],
    *,
    retries: int = 5,
    backoff_factor: float = 0.5,
    jitter: float = 0.2,
    policy: RetryPolicy | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    random: Random = RANDOM,
) -> httpx.Response:
    """Call `func` and return its successful response, with up to `retries` attempts after the first.

    Before retry n (from 0) it waits `min(cap, backoff_factor * 2**n) + uniform(0, jitter)` seconds, or
    Retry-After plus the jitter. What may be retried is read from the request that the response or the
    exception carries. Deadline, caps and budget are the policy's. Without one: caps of 20 s; a deadline of
    30 s, added to the waits asked for if those alone are longer; the budget of this process. Raises what
    `retry` raises, and `TypeError` for an async function.
    """
    limits = policy or RetryPolicy(cap=20.0, budget=SHARED_BUDGET)
    asked = replace(
        limits, attempts=retries + 1, base=backoff_factor, throttled_base=backoff_factor, jitter=jitter
    )
    if policy is None:
        waits = sum(asked.ceiling(n) + jitter for n in range(retries))
        asked = replace(asked, deadline=asked.deadline + (waits if waits > asked.deadline else 0.0))
    return retry(func, asked, sleep=sleep, clock=clock, random=random)

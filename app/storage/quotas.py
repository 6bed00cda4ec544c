"""How often callers may do something: counted by `limits`, in Redis where there is one, else in memory."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem, parse
from limits.errors import ConfigurationError as WithoutClient
from limits.errors import StorageError
from limits.storage import RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from app.config import Settings
from app.errors import ConfigurationError, TooManyRequests

MOST_KEPT = 50_000
"""Callers that are counted in memory at once; beyond that, those who came first are forgotten."""
PATIENCE = 0.5
"""Seconds that Redis has for an answer."""
AWAY = 10.0
"""Seconds for which Redis is not asked after it has not answered."""

log = logging.getLogger("matinee.quotas")


@dataclass(frozen=True, slots=True)
class Quota:
    """What a caller has left. `name`: of what is limited; `amount` in `window` seconds; `reset`: seconds."""

    name: str
    amount: int
    window: int
    remaining: int
    reset: int
    is_exceeded: bool

    @property
    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 names them."""
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.amount};w={self.window}',
            "RateLimit": f'"{self.name}";r={self.remaining};t={self.reset}',
        }

    def require(self) -> None:
        """Raises `TooManyRequests` if it is exceeded."""
        if self.is_exceeded:
            raise TooManyRequests(
                f"More than {self.amount:,} {self.name} in {self.window:,} s. Try again in {self.reset} s.",
                headers={"Retry-After": str(self.reset), **self.headers},
            )


class Quotas:
    """One a process, or one Redis for several. Its methods may be called in several threads.

    `monotonic`: seconds by a clock that is never set.
    """

    def __init__(self, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._items: dict[str, RateLimitItem] = {
            "logins": parse(settings.limit_logins),
            "writes": parse(settings.limit_writes),
            "imports": parse(settings.limit_imports),
        }
        self._here = FixedWindowRateLimiter(_Memory(monotonic))
        self._shared = _redis(settings.redis_url) if settings.redis_url else None
        self._away_until = -math.inf

    @property
    def blocks(self) -> bool:
        """Whether `hit` may wait for a network."""
        return self._shared is not None and self._monotonic() >= self._away_until

    def hit(self, name: str, *caller: str) -> Quota:
        """Count one more of a caller. Without an answer from Redis this process counts for itself."""
        if self._shared is not None and self._monotonic() >= self._away_until:
            try:
                return self._hit(self._shared, name, caller)
            except StorageError as error:
                self._away_until = self._monotonic() + AWAY
                log.warning("Redis does not count requests, so this process does for %g s: %s", AWAY, error)
        return self._hit(self._here, name, caller)

    def _hit(self, limiter: FixedWindowRateLimiter, name: str, caller: tuple[str, ...]) -> Quota:
        item = self._items[name]
        is_within = limiter.hit(item, name, *caller)
        stats = limiter.get_window_stats(item, name, *caller)
        window = item.get_expiry()
        reset = min(max(1, math.ceil(stats.reset_time - time.time())), window)
        return Quota(name, item.amount, window, stats.remaining, reset, not is_within)


def _redis(url: str) -> FixedWindowRateLimiter:
    options: dict[str, Any] = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
    try:
        storage = RedisStorage(url, key_prefix="matinee:quota", wrap_exceptions=True, **options)
    except WithoutClient:
        raise ConfigurationError(
            "MATINEE_REDIS_URL needs the redis client: install matinee[redis], or unset it."
        ) from None
    return FixedWindowRateLimiter(storage)


class _Memory(Storage):
    """Counts in memory. That of the library goes by a clock that may be set, and starts threads."""

    STORAGE_SCHEME = None
    base_exceptions = ()

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[int, float]] = {}  # with the end of the window

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        with self._lock:
            now = self._monotonic()
            count, end = self._counts.get(key, (0, now))
            if end <= now:
                count, end = 0, now + expiry
                self._counts.pop(key, None)  # so that those who came first stand first
                self._make_room(now)
            self._counts[key] = count + amount, end
            return count + amount

    def _make_room(self, now: float) -> None:
        if len(self._counts) >= MOST_KEPT:
            current = [(key, value) for key, value in self._counts.items() if value[1] > now]
            self._counts = dict(current[-MOST_KEPT // 2 :])

    def get(self, key: str) -> int:
        count, end = self._counts.get(key, (0, 0.0))
        return count if end > self._monotonic() else 0

    def get_expiry(self, key: str) -> float:
        now = self._monotonic()
        return time.time() + max(0.0, self._counts.get(key, (0, now))[1] - now)

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        number = len(self._counts)
        self._counts.clear()
        return number

    def clear(self, key: str) -> None:
        self._counts.pop(key, None)

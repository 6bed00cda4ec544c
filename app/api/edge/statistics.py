"""The requests of this process: counts by status and latencies, by the minute."""

import bisect
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from app.api.edge.manners import Manner

MINUTES = 60
BOUNDS = tuple(round(0.0001 * 1.25**n, 7) for n in range(60))
"""Upper bounds of the latency buckets in seconds, 0.1 ms to about a minute: quantiles are within 25%."""
SLOW = frozenset((Manner.STREAMS, Manner.UPLOADS, Manner.WAITS, Manner.FOLLOWS, Manner.LOGS_IN))
"""Manners whose duration depends on the caller and says nothing about the service."""


class Minute:
    """The requests of one minute."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = 0
        self.buckets = [0] * (len(BOUNDS) + 1)


class Statistics:
    """Counts and latencies; threads may share them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self.started = clock()
        self.total = 0
        self.by_status = {f"{kind}xx": 0 for kind in range(1, 6)}

    def count(self, status: int, seconds: float | None) -> None:
        """Count a response; `seconds` is None if its latency says nothing."""
        number = int(self._clock() // 60)
        with self._lock:
            if not self._minutes or self._minutes[-1].number != number:
                self._minutes.append(Minute(number))
            minute = self._minutes[-1]
            minute.requests += 1
            if seconds is not None:
                minute.buckets[bisect.bisect_left(BOUNDS, seconds)] += 1
            self.total += 1
            self.by_status[f"{min(5, status // 100)}xx"] += 1

    def summary(self) -> dict[str, Any]:
        """For `GET /status`: the last hour by minutes, oldest first; latencies in milliseconds."""
        now = int(self._clock() // 60)
        with self._lock:
            known = {minute.number: (minute.requests, list(minute.buckets)) for minute in self._minutes}
        hour = [known.get(number) for number in range(now - MINUTES + 1, now + 1)]
        merged = [sum(column) for column in zip(*(m[1] for m in hour if m), strict=True)]
        return {
            "requests": {
                "total": self.total,
                "by_status": dict(self.by_status),
                "per_minute": [m[0] if m else 0 for m in hour],
            },
            "latency_ms": {
                "p50": _quantile(merged, 0.50),
                "p99": _quantile(merged, 0.99),
                "per_minute_p99": [_quantile(m[1], 0.99) if m else None for m in hour],
            },
        }


def _quantile(buckets: list[int], q: float) -> float | None:
    """The `q` quantile in milliseconds; None without requests."""
    total, seen = sum(buckets), 0
    for bucket, count in enumerate(buckets):
        seen += count
        if total and seen >= q * total:
            return round(1000 * BOUNDS[min(bucket, len(BOUNDS) - 1)], 3)
    return None

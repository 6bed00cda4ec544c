"""The requests of the last hour by the minute: how many, by status, and how long they took."""

import bisect
from collections.abc import Iterable
from typing import Any

MINUTES = 60
BOUNDS = tuple(round(0.0001 * 1.25**n, 7) for n in range(60))
"""Upper bounds of the latency buckets in seconds, 0.1 ms to about a minute: quantiles are within 25%."""
STATUSES = tuple(f"{kind}xx" for kind in range(1, 6))
_STATUS_OF = {status: STATUSES[min(5, max(1, status // 100)) - 1] for status in range(1000)}
_BUCKETS = tuple(map(str, range(len(BOUNDS) + 1)))

Minute = dict[str, dict[str, int]]
"""`statuses`: requests by the class of their status; `buckets`: by the number of their latency's bucket."""


class Minutes:
    """The minutes of one process; a clock that is set back begins a minute of its own."""

    def __init__(self) -> None:
        self._minutes: dict[int, Minute] = {}
        self._current, self._minute = -1, Minute()

    def add(self, now: float, status: int, latency: float | None) -> None:
        number = int(now // 60)
        if number != self._current:
            self._current = number
            self._minute = self._minutes.setdefault(number, {"statuses": {}, "buckets": {}})
            for old in [one for one in self._minutes if not 0 <= number - one < MINUTES]:
                del self._minutes[old]
        _increase(self._minute["statuses"], _STATUS_OF[status])
        if latency is not None:
            _increase(self._minute["buckets"], _BUCKETS[bisect.bisect_left(BOUNDS, latency)])

    def to_json(self) -> dict[str, Minute]:
        return {
            str(number): {name: dict(counts) for name, counts in minute.items()}
            for number, minute in self._minutes.items()
        }


def added(hours: Iterable[dict[str, Minute]]) -> dict[str, Minute]:
    """The sums of several processes."""
    sums: dict[str, Minute] = {}
    for hour in hours:
        for number, minute in hour.items():
            into = sums.setdefault(number, {"statuses": {}, "buckets": {}})
            for name, counts in minute.items():
                for key, count in counts.items():
                    _increase(into[name], key, count)
    newest = max((int(number) for number in sums), default=0)
    return {number: minute for number, minute in sums.items() if newest - int(number) < MINUTES}


def summary(hour: dict[str, Minute], now: float) -> dict[str, Any]:
    """Requests, errors (5xx) and latencies (ms) by minute, oldest first, to the minute of `now`."""
    last = int(now // 60)
    shown = [hour.get(str(number)) for number in range(last - MINUTES + 1, last + 1)]
    every: dict[str, int] = {}
    for minute in filter(None, shown):
        for key, count in minute["buckets"].items():
            _increase(every, key, count)
    return {
        "per_minute": [sum(one["statuses"].values()) if one else 0 for one in shown],
        "errors_per_minute": [one["statuses"].get("5xx", 0) if one else 0 for one in shown],
        "p50": quantile(every, 0.50),
        "p99": quantile(every, 0.99),
        "per_minute_p99": [quantile(one["buckets"], 0.99) if one else None for one in shown],
    }


def quantile(buckets: dict[str, int], q: float) -> float | None:
    """The `q` quantile in milliseconds; None without requests."""
    total, seen = sum(buckets.values()), 0
    for bucket in sorted(buckets, key=int):
        seen += buckets[bucket]
        if seen >= q * total:
            return round(1000 * BOUNDS[min(int(bucket), len(BOUNDS) - 1)], 3)
    return None


def _increase(counts: dict[str, int], key: str, more: int = 1) -> None:
    counts[key] = counts.get(key, 0) + more

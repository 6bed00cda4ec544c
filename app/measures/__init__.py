"""What a process counts: totals by their labels, and the requests of the last hour by the minute.

A snapshot is plain JSON; snapshots of several processes, running or ended, add up (`added`). Names and labels
are as Prometheus has them, and those of OpenTelemetry where it has some.
"""

import bisect
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from app.measures import minutes

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of a duration."""


class Metric(NamedTuple):
    """A counter, or with `bounds` a histogram. Its labels take few values, never a text of a caller."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


REQUESTS = Metric(
    "http_server_request_duration_seconds",
    "Time from the arrival of a request to the end of its response; the status is none if the caller left.",
    ("http_request_method", "http_route", "http_response_status_code"),
    SECONDS,
)
REFUSALS = Metric("matinee_refusals_total", "Problem responses by their type.", ("reason",))
RECOMMENDATIONS = Metric("matinee_recommendations_total", "Lists by where they come from.", ("source",))
RANKING = Metric(
    "matinee_fold_in_seconds", "Time to fold a user in and rank all movies.", ("form",), SECONDS[:-3]
)
METRICS = (REQUESTS, REFUSALS, RECOMMENDATIONS, RANKING)

Totals = dict[tuple[str, ...], list[float]]
"""By name and label values: [count] of a counter, [sum, count of each bucket] of a histogram."""


MANY = 500
"""Durations and requests added up at once: one alone finds nothing of it in the processor's caches."""


class Measures:
    """The totals and the last hour of this process; threads may share them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._totals: Totals = {}
        self._minutes = minutes.Minutes()
        self._durations: deque[tuple[Metric, float, tuple[str, ...]]] = deque()  # those not yet added up
        self._requests: deque[tuple[float, int, float | None]] = deque()
        self.started = clock()
        self.active = 0

    def count(self, metric: Metric, *labels: str) -> None:
        key = (metric.name, *labels)
        with self._lock:
            self._totals.setdefault(key, [0.0])[0] += 1

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        self._durations.append((metric, seconds, labels))
        self._add_many()

    def note(self, status: int, latency: float | None) -> None:
        """Add a request to its minute; `latency` is None if it says nothing of the service."""
        self._requests.append((self._clock(), status, latency))
        self._add_many()

    def _add_many(self) -> None:
        if len(self._durations) + len(self._requests) >= MANY:
            with self._lock:
                self._add()

    def _add(self) -> None:
        """Add up what waits for it. Called under the lock; others may append meanwhile."""
        while self._durations:
            metric, seconds, labels = self._durations.popleft()
            key = (metric.name, *labels)
            found = self._totals.get(key)
            if found is None:
                found = self._totals[key] = [0.0] * (len(metric.bounds) + 2)
            found[0] += seconds
            found[1 + bisect.bisect_left(metric.bounds, seconds)] += 1
        while self._requests:
            self._minutes.add(*self._requests.popleft())

    def snapshot(self) -> dict[str, Any]:
        with self._lock:
            self._add()
            totals = [[list(key), list(values)] for key, values in self._totals.items()]
            return {"totals": totals, "minutes": self._minutes.to_json(), "active": self.active}


def added(snapshots: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One snapshot in place of several."""
    totals: dict[str, list[float]] = {}
    hours, active = [], 0
    for one in snapshots:
        hours.append(one["minutes"])
        active += one["active"]
        for labels, values in one["totals"]:
            sums = totals.setdefault(json.dumps(labels), [0.0] * len(values))
            if len(sums) == len(values):  # an older release may have had other buckets
                sums[:] = [a + b for a, b in zip(sums, values, strict=True)]
    rows = [[json.loads(labels), values] for labels, values in totals.items()]
    return {"totals": rows, "minutes": minutes.added(hours), "active": active}

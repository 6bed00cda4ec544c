"""Failures in a row make a caller wait, for longer each time; others are not kept from the same name."""

import hashlib
import ipaddress
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import TooManyRequests

FREE = 4
"""Failures in a row that cost nothing: after the next one the caller waits a second, then twice as long."""
LONGEST = 60.0
LAPSE = 3600.0
"""Seconds without a failure after which they are forgotten."""
MOST_KEPT = 10_000
"""Pairs of name and address that are kept; the one that failed longest ago makes way."""


@dataclass(slots=True)
class _Failures:
    count: int
    at: float

    @property
    def until(self) -> float:
        seconds = 0.0 if self.count <= FREE else min(LONGEST, 2.0 ** min(self.count - FREE - 1, 60))
        return self.at + seconds


class Backoff:
    """Failures of a name from an address. Its methods may be called in several threads.

    `monotonic`: seconds by a clock that is never set.
    """

    def __init__(self, monotonic: Callable[[], float], *, most: int = MOST_KEPT) -> None:
        self._monotonic = monotonic
        self._most = most
        self._lock = threading.Lock()
        self._failures: OrderedDict[bytes, _Failures] = OrderedDict()

    def refuse(self, name: str, address: str) -> None:
        """Raises `TooManyRequests` while the pair has to wait."""
        with self._lock:
            failures = self._failures.get(_pair(name, address))
            left = 0.0 if failures is None else failures.until - self._monotonic()
        if left > 0:
            seconds = math.ceil(left)
            raise TooManyRequests(
                f"Too many wrong passwords in a row. Try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )

    def note_failure(self, name: str, address: str) -> None:
        now, pair = self._monotonic(), _pair(name, address)
        with self._lock:
            before = self._failures.pop(pair, None)
            count = before.count if before is not None and now - before.at < LAPSE else 0
            self._failures[pair] = _Failures(count + 1, now)
            if len(self._failures) > self._most:
                self._failures.popitem(last=False)

    def forget(self, name: str, address: str) -> None:
        """After a success."""
        with self._lock:
            self._failures.pop(_pair(name, address), None)


def _pair(name: str, address: str) -> bytes:
    """What stands for both, at one size however long they are."""
    return hashlib.sha256(f"{network(address)}\n{name}".encode()).digest()


def network(address: str) -> str:
    """What one caller has of addresses: of IPv6 a network of /64, which costs nothing to have."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped or ipaddress.ip_network((found, 64), strict=False))

"""A client that costs little: raw HTTP/1.1 over a few connections of one thread, closed loop and open loop.

A request takes it some 20 microseconds, so that what is measured is the server.
"""

import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

STANDSTILL = 30.0
"""Seconds after which a run without any answer has failed."""
Requests = Iterator[bytes]


@dataclass
class Load:
    """What was answered: latencies in ms, counts by status, seconds of the run and of the server's CPUs."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu: float = 0.0

    def __iadd__(self, other: "Load") -> "Load":
        self.latencies += other.latencies
        self.statuses += other.statuses
        self.seconds += other.seconds
        self.cpu += other.cpu
        return self

    @property
    def good(self) -> int:
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.good / max(1e-9, self.seconds)

    def percentile(self, q: float) -> float:
        return float(np.percentile(self.latencies, q)) if self.latencies else float("nan")


class Connection:
    """One request at a time; `began` is when it was sent, or due."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=STANDSTILL)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port = port
        self._received = b""
        self.began = 0.0

    def send(self, request: bytes, at: float) -> None:
        self.began, self._received = at, b""
        self.socket.sendall(request)

    def receive(self) -> int:
        """The status once the response is whole, else 0. Raises `ConnectionError`."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError("The server closed the connection.")
        self._received += part
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return 0
        before, named, rest = head.lower().partition(b"\r\ncontent-length:")
        length = int(rest.partition(b"\r\n")[0]) if named else 0
        return int(before[9:12]) if len(body) >= length else 0

    def close(self) -> None:
        self.socket.close()


def request(
    method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> bytes:
    """A request as it is sent."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


class Client:
    """Some connections to one server. `cpu`: the seconds that the server has used so far."""

    def __init__(self, port: int, connections: int, cpu: Callable[[], float] = lambda: 0.0) -> None:
        self._cpu = cpu
        self._connections = [Connection(port) for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        for one in self._connections:
            self._selector.register(one.socket, selectors.EVENT_READ, one)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for one in self._connections:
            one.close()

    def closed(self, requests: Requests, seconds: float) -> Load:
        """As many requests under way as connections: each is followed by the next at once."""
        began, cpu = time.perf_counter(), self._cpu()
        load, busy = Load(), len(self._connections)
        for one in self._connections:
            one.send(next(requests), time.perf_counter())
        while busy:
            for one, now in self._answered(load):
                if now - began < seconds:
                    one.send(next(requests), now)
                else:
                    busy -= 1
        load.seconds, load.cpu = time.perf_counter() - began, self._cpu() - cpu
        return load

    def open(self, requests: Requests, rate: float, seconds: float) -> Load:
        """So many a second, whatever the answers do; latency counts from when each was due."""
        began, cpu = time.perf_counter(), self._cpu()
        load, free, sent, most = Load(), list(self._connections), 0, int(rate * seconds)
        while sent < most or len(free) < len(self._connections):
            now = time.perf_counter()
            while free and sent < most and (due := began + sent / rate) <= now:
                free.pop().send(next(requests), due)
                sent += 1
            wait = began + sent / rate - now if free and sent < most else STANDSTILL
            free += [one for one, _ in self._answered(load, max(0.0, wait))]
        load.seconds, load.cpu = time.perf_counter() - began, self._cpu() - cpu
        return load

    def _answered(self, load: Load, wait: float = STANDSTILL) -> list[tuple[Connection, float]]:
        """The connections with a whole response within that time, and when."""
        events = self._selector.select(wait)
        if not events and wait >= STANDSTILL:
            raise TimeoutError(f"The server answered nothing for {STANDSTILL:g} s.")
        found = []
        for key, _ in events:
            one: Connection = key.data
            if status := one.receive():
                now = time.perf_counter()
                load.latencies.append(1e3 * (now - one.began))
                load.statuses[status] += 1
                found.append((one, now))
        return found

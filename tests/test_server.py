"""Which connection makes room for another."""

from types import SimpleNamespace
from typing import Any

from app.cli.server import least_missed


def connection(address: str, since: float, *, begun: bool = False) -> Any:
    return SimpleNamespace(address=address, waiting_since=since, begun=begun)


def test_the_address_with_most_connections_makes_room() -> None:
    idle = connection("10.0.0.1", 1.0)
    heads = [connection("10.0.0.2", at, begun=True) for at in (8.0, 7.0)]
    assert least_missed([idle, *heads], 10.0) is heads[1]


def test_a_slow_head_makes_room_before_an_idle_connection_of_its_address() -> None:
    idle = [connection("10.0.0.1", at) for at in (3.0, 2.0)]
    slow, fresh = connection("10.0.0.1", 8.0, begun=True), connection("10.0.0.1", 9.5, begun=True)
    assert least_missed([*idle, slow, fresh], 10.0) is slow
    assert least_missed([*idle, fresh], 10.0) is idle[1]
    assert least_missed([], 10.0) is None

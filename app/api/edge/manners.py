"""How an endpoint behaves: it says so itself, and the edge goes by that, whatever the caller writes."""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class Manner(Enum):
    """By default an endpoint of a safe method reads and any other one writes."""

    READS = "takes a place among the readers, and is answered when it is done"
    WRITES = "takes a place among the writers, and is answered when it is done"
    PROBES = "costs nothing: takes no place, and is not counted"
    STREAMS = "sends its answer while it makes it, and takes a place for each block"
    UPLOADS = "reads a long body itself, and takes a place for what it does with it"
    WAITS = "waits for something to happen, and takes a place when it looks for itself"


def served(manner: Manner) -> Callable[[Endpoint], Endpoint]:
    """Declare the manner of an endpoint: stands between it and the decorator of its route."""

    def declare(endpoint: Endpoint) -> Endpoint:
        endpoint.manner = manner  # type: ignore[attr-defined]
        return endpoint

    return declare


def manner_of(endpoint: Any, method: str) -> Manner:
    """What the endpoint declares, or else what its method stands for."""
    declared: Manner | None = getattr(endpoint, "manner", None)
    return declared or by_method(method)


def by_method(method: str) -> Manner:
    return Manner.READS if method in SAFE_METHODS else Manner.WRITES

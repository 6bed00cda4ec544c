"""The manner of an endpoint: how it behaves. The endpoint declares it; no header of a caller changes it."""

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class Manner(Enum):
    """By default an endpoint of a safe method reads, and any other writes."""

    READS = "takes a reader's place until its response is complete"
    WRITES = "takes a writer's place until its response is complete"
    PROBES = "costs nothing: takes no place and is not counted"
    STREAMS = "sends its response while it makes it, and takes a place for each block"
    UPLOADS = "reads a long body itself, then takes a place for the work"
    WAITS = "waits for an event, and takes a place for each query"
    LOGS_IN = "waits for its turn to have a password hashed, and takes a writer's place for its queries"
    FOLLOWS = "sends events as they happen, and takes a place for each query"


def served(manner: Manner) -> Callable[[Endpoint], Endpoint]:
    """Declare the manner of an endpoint, between it and the decorator of its route."""

    def declare(endpoint: Endpoint) -> Endpoint:
        endpoint.manner = manner  # type: ignore[attr-defined]
        return endpoint

    return declare


def manner_of(endpoint: Any, method: str) -> Manner:
    """The manner that the endpoint declares, else that of the method."""
    declared: Manner | None = getattr(endpoint, "manner", None)
    return declared or by_method(method)


def by_method(method: str) -> Manner:
    return Manner.READS if method in SAFE_METHODS else Manner.WRITES

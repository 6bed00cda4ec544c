"""Which processors the worker uses: the API has one to itself while others wait for it.

A priority alone does not do: whoever is woken where the worker runs waits for a moment, several times a
request, and finds the caches full of something else.
"""

import os


def _usable() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


_ALL = _usable()


def besides_the_api() -> int:
    """How many are left when the API has one, at least one."""
    return max(1, len(_ALL) - 1)


def leave_one(leave: bool) -> None:
    """Keep the calling thread off one of several processors, or no longer; where the system can do that."""
    if hasattr(os, "sched_setaffinity") and len(_ALL) > 1:
        os.sched_setaffinity(0, _ALL - {min(_ALL)} if leave else _ALL)

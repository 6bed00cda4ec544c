"""Compiled functions (numba), cached on disk where the installation or the user's cache is writable."""

from collections.abc import Callable
from typing import Any


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function at its first call, without bounds checks and the GIL. `options`: those of `njit`.

    Without a writable cache each process compiles for itself, which takes some seconds.
    """
    from numba import njit

    options = {"nogil": True, "boundscheck": False} | options

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        found: Callable[..., Any]
        try:
            found = njit(function, cache=True, **options)
        except RuntimeError:  # no writable place for the cache
            found = njit(function, **options)
        return found

    return decorate

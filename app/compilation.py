"""Compiled functions (numba), kept on disk where the installation or the user's cache can be written."""

from collections.abc import Callable
from typing import Any


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function at its first call, unchecked and without the GIL. `options`: further ones of `njit`.

    In a read-only installation each process compiles for itself, which takes some seconds.
    """
    from numba import njit

    options = {"nogil": True, "boundscheck": False} | options

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        found: Callable[..., Any]
        try:
            found = njit(function, cache=True, **options)
        except RuntimeError:  # there is no place for a cache
            found = njit(function, **options)
        return found

    return decorate

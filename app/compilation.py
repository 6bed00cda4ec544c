"""Compiled functions (numba), cached on disk where the installation or the user's cache is writable."""

from collections.abc import Callable, Mapping
from typing import Any


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function at its first call, without bounds checks and the GIL. `options`: those of `njit`.

    Without a writable cache each process compiles for itself, which takes some seconds.
    """
    from llvmlite import binding
    from numba import config as numbas
    from numba import njit

    config: Any = numbas
    if config.CPU_FEATURES is None and config.CPU_NAME is None:  # else it was chosen (NUMBA_CPU_...)
        config.CPU_FEATURES = features_of(binding.get_host_cpu_features())
    options = {"nogil": True, "boundscheck": False} | options

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        found: Callable[..., Any]
        try:
            found = njit(function, cache=True, **options)
        except RuntimeError:  # no writable place for the cache
            found = njit(function, **options)
        return found

    return decorate


def features_of(processor: Mapping[str, bool]) -> str | None:
    """What the compiler may use of a processor that has vectors of 512 bits; None: what it uses anyway.

    LLVM prefers 256 bits on many of these, for the sake of clock rates that mattered on the first ones.
    """
    if not processor.get("avx512f"):
        return None
    marks = [f"{'+' if there else '-'}{name}" for name, there in sorted(processor.items())]
    return ",".join([*marks, "-prefer-256-bit"])

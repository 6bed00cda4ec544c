"""The limit on file descriptors: connections must leave some to the database and the worker."""

import contextlib

RESERVE = 128
"""Descriptors for the database, the worker and files."""
UNKNOWN = 1024
"""The limit that is assumed where the system names none."""


def most() -> int:
    """Descriptors that the system allows this process (its hard limit)."""
    try:
        import resource
    except ImportError:  # not on Windows
        return UNKNOWN
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return UNKNOWN if hard == resource.RLIM_INFINITY else hard


def raise_limit() -> None:
    """Raise the soft limit, usually 1,024, to the hard one."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # macOS may allow fewer than its hard limit
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most(), hard))

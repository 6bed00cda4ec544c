"""The file descriptors of this process: connections must not take those of the database and the worker."""

import contextlib

RESERVE = 128
"""For the database, the worker and files."""
UNKNOWN = 1024


def most() -> int:
    """How many the system allows this process."""
    try:
        import resource
    except ImportError:  # not on Windows
        return UNKNOWN
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return UNKNOWN if hard == resource.RLIM_INFINITY else hard


def raise_limit() -> None:
    """Make use of all of them: the usual default is 1,024."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # macOS may allow less than it says
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most(), hard))
